"""Pickled pandas tables without pandas: three that pandas wrote, and a writer in the layout of pandas 1.0 to 1.2."""

from __future__ import annotations

import base64
import gzip
import pickle
import pickletools
from collections.abc import Mapping
from typing import Any

import numpy as np

from lapose_core.geometry import Array

WRITTEN: dict[str, Array] = {
    "x": np.arange(4) * 1.5,
    "y": np.arange(4) * -2.0,
    "z": np.full(4, 0.25),
    "i": np.arange(4) * 10.0,
    "t": 1557539956 + np.arange(4) / 8,
    "d": np.array([0.0, 0, 1, 1]),
}
"""What BY_PANDAS holds; d is of whole numbers, and the index is named and not 0, 1, 2, 3."""

# pandas.DataFrame(WRITTEN).to_pickle(..., protocol=...), gzipped, in base 85.
BY_PANDAS = {
    "pandas 1.5.3, protocol 4": (
        "ABzY8000000t0<hO>fjN5KXqpwgp5#5U>&-LWn~-kW--`0Sgo%m58mxy|SFdyNQ~3qr_3Wh)U(qr4_z)xbsu^3EYtQCEQ@_c"
        "tv(wF_Qh9-LdES`OTs8_1B!GL$2hMN3`_9VZpq9K{Ez&@ii6njb5L^{ZDWJYtkXvpa6NhnVxXL3Qp6~%P6M<R+Jzwy-J7S?z"
        "{RMx65m02T7Bl{I><<5~+Begu5vtf!d>zuktF(NA>Ahm5PKG1s&n3q+sEYm!habp%Pu42y!0J)+wjpTSu^I2k;r*!<ujVuJ4"
        "Q?UXpGkM!C9)Z1o?*$#MPvoV1@puh)C~2SZQ3B_KH2{ANwX?{19?FKS#hXdN2-Uc<7%j=>+@|KlX?ne)~SK390_%fp{9v8KU"
        "ggB^{4H0452B`6O^9o;fbLZ$`4JKO4deoM{q#rSf(qGXA$OhmD@C>_~K8dAhJ&lBQ~H52v>DkAY+tl4f>9m5XVr8Di5i0!k|"
        "3uuY%x<EMFBU|b>Bpq)^ce2(#i_m*;mU#O})83wX!H+X9*j2<;d3ztEjrOoV;7D)?91$=jox_!}d(~J;^hDk`k14u~6-kI>x"
        "43w;-XIu1JIl?%j|V82=_$)KIB#&VDcH7jbrsMAn3}M;(4yFP>h6;sBpDM_i?M@mOohPiIsn-w{ge*$@;Xh^;a*9iDn|!U!A"
        "MF2hOKp6R)O~yQk9+V<pTf!"
    ),
    "pandas 1.5.3, protocol 2": (
        "ABzY8000000t1Cq*;3R%6wR;<5;t5yals7-mvIBcl|=+GI%vDa1=~)hAt^GMIZ00`mQ$q<3{bxK=6Cq!GklnK_as=Nmi>@(l"
        "D>U&&*|I!vB|Blu*l-PTaI{sHew}ijx)g~G=tIi37Hz2a(0Vh7_>AOq4~EJekgbpvLMcvSjgsh6q{o~*`2@Ncr($GhSR`z;$"
        "QJ5t%eofoewy5)B+Q&Zdff<78-d=)j;?xir9ilBkq>NSVUD<n8-GwOqo;9qRlcEvB{-wxyaqv<e?%a+U<<2*nw$hB?e6R;RS"
        "52V++C7C2S+up0hGmtJP9RN0PEA7AkV(4!cRNm>t5-mE|SuBG{d?nsv78*i$GJ?*5QNKP*FFue0K{+uw|hW9|EJgKQdU;LZe"
        "%)sJaNLON2?m6EkD!~Z4eIG*I~Pw=L~gR7qh*1nF)zpt~7b=H+Ibb8W|E`ogm`yH23r|L`BLrTp!@Lg#|w`E9+GD|o>aL{U6"
        "!XbjgUaOb&wCg>dwDJhSQDtRDS$WKBxaSYyxN`3VL9cYr`_s3R+P5C#&ym@H$f+{>2u=x{cD!y`QC8J-hTyEKDNk^&j`K6Pk"
        "lWCjMgES*d56W^q#=Jxr_>h{7yliWL|m$&ztQqVc@{8`3LaE~FB1$Y!P!MzN#srs;i{5*jo^CPEFW;=chSQFH=UIk4CnOxJB"
        "(;tz^KOe7}MzEmPUbbjYZt%0uzodCzPiWlZ9#>cL=7uzbld5%p>2GV#Hv7qUdf7R?b@&a!(1lPf$=oS{5<w^`_g=oY>x)U|W"
        "Li>2^F&+wqWq2t0DUNm~W#U*oZ?>j}YAUdJ;6yK!g8Lxtydd*Y?OVemq~(-Id<8~kzxuXG+JL=<DDhS&Po(%FE`#h^93u{+g"
        "t5R~7>v{<dk{$zsFfH^#f!ItBylm7{$MUYs{1ONa"
    ),
    "pandas 3.1.1, protocol 5": (
        "ABzY8000000t0<h%Wl&^6t!DBZ3&O6NFhj2SRj;cvVjT~h|)IVQHvnKIvS1bNo>V-EPJdrh>EgEXvOTfbj_#m3GDa|cHP09@"
        "q{K-#FfTplDV%r_so&~?WJWX6P1)EKFvX_v?!;~Ga57a3LBr`5E{ZFaW4b0Uivh>LB^V4!daHkC~w9zp*@yi?B$(k;PqdZzc"
        "F0YbOeb)H$M*nag7v78hZVR5m&}Y=j%xkr^6;u>2c4p&;wB=-E0uMMYpR`Hcr1A^XzP^#N}rtu4y!mH2x@IRbyS_&#nLC#O~"
        ">Q4>dlOc>BxduWhWUaaChoAqZPt2+`-mRMIIHx{u-H_%pnPhO;QlC(v%U_x_-%k7ICf9ow<SAk1Ch=q8rkB8+&LAZK<Sg`P~"
        "~80cimEY5=b2G!td<MggE-^>dL!J1eIr}_wLbGk5P7r{;0L$HqJD$@nW&_PwyXXW6t1C}>knlliWNW%8XEBPPx8yLc#?3J8+"
        "lo-x?MjSND=n!vti;#49a4wH_Yg?Y|P_NH?$>9|pHVLS{<5`&Wloy`w-KqSx+KLuqa@LygUrC2N7$orG<5@|@SaMvO7G7K+-"
        "6}WgnPkixBstFtkIRd!iY2VAD>=ppc1;&b8cnA%Qq;bg8S#e;Bi=%CPb7Qh0S*~!nD23gxHv8!7@m*86;>i&V7rhF1`mQw<S"
        "lqKJ?2G?w#FrmEC0rP-?2uM5q5;FCIl)WQ`fc#(t;0OPNS<HyjUSI<5Z2OgMy=+<Fh_Q-bgp1J+-|-qiC?76Te7Nj+8SJQJ3"
        "MHKF$lb`4<m;NW)VE000"
    ),
}

# pandas.DataFrame(FROM_ARRAY, columns=[*"xyz"]), whose block lies the other way round in memory.
FROM_ARRAY = np.arange(12.0).reshape(4, 3)
ROW_BY_ROW = {
    "pandas 1.5.3, protocol 4": (
        "ABzY8000000t0PQ-)q!B5WZY<T1BkIUnhu&h_n>)?1R{1MbKb`zL#~9>|H`Po3Oi~J+Yt<tykE$j(?>u{s%g{x7D7w5A)3?G"
        "qc}(GhgEGKZXN;?0N^X1f3ME;>koo!_i)Q4F=wL{~R~J;xTU6m^D*{_R;0=S{kk-2%R(_Vak<8d*hX8i-Y%zJEhxuA%lrJ*M"
        "C#cuCZQrb#Wj#%UzBOzAO8tn=Pt0y)ZQ>1v9G36fat-jp_^I0!Ka&?NzGnL(VZBoZxPh<2T&HjWkME()bjsH9IQJtaF{%;p9"
        "1<%@_YyZ1e)NEPMBhjyLJRU_RgdI9NJAw}Z2@fYpGv0^SKY4)`$O<A6^BJ`MP62k9BRn)fxeCrO8q7IndW1H?IU^wOcTC%8|"
        "-kCzoM`4QJi4w~k4ok@Pk-nws;UTxaZh3_X;(iE|}S*<%|s@s2bq086~KP+kS`5!H|iR77kJ~~1hk<ig6<c@eO-CAV*DP>k$"
        "_QC(yDUee~Z_nW+O4ZAZx;3B-^=e~n+78p$Ih>rx*W}L7w$aRJ5nT%xOUW8;!1uIIqJc5AZpUb^u!(@FckhD`?V)C6-;tzXI"
        "1`X_+O@gv^W--p<vS4e0ssI"
    ),
    "pandas 1.5.3, protocol 5": (
        "ABzY8000000t0PQ-)q!B5Wd{ywAzBTRIMN);*aY~o_!E{s1!69q3>ng<TiJqn@!l=&>vXPhpR2jo1=fH|AEf#ZSgAIhy5m-`"
        "DW&unXkj2tAn0DaJS`Z!c9^%S|p|BwLrM_j$6L#?H{=P4Nq|dF{`H<;qkJ2rL543OOw=G@u|=TVeO4<ii3}fZ=%Efz+ke<%|"
        "8ml9oDI~Dh{Mzx#KwJ4b|1{@gh2zLRSUCDl2tU=UrL)h@)Shd)J-cJHZ$)U?t#sz|DYL0Urf?67XrjX8~V~5r)1V!iha@T{o"
        "a#zQT+1@3@DfbO6z7%(CpmA3FX@dlvI_kj7^S(JoqYgO$9iq^%T59vWE{E=<}Zr^rP~`|h6OKJ|F(YI7&zNSGw&hDLImDRIc"
        "&yEmfGp2P6c_QRRbz!2^&b+7IyC)b)&^=nLvqEW``uCR{24mT;0|LJO(<J&05g{CMS%yG5>{ZChPe)&)54(YsbHAhFJlyXET"
        "DCiAh<<=(a&WJgC2@kK6q`8_pO?wWPbj-#Xwa9X9sVInzZCXrYX9zMPA5*xCwvpyRi|TY=E-kBt<-QU7)M;)lt>Y=e4OU7%_"
        "2vUEWpilQq-$vo+zKXnE@&6eO_wKs0beImwiW{b00"
    ),
}


def by_pandas(name: str, written: Mapping[str, str] = BY_PANDAS) -> bytes:
    return gzip.decompress(base64.b85decode(written[name]))


# -- a writer, as pickle's instructions ------------------------------------------------------------------------


def plain(value: Any) -> bytes:
    """The instructions that make a value of builtin types."""
    return pickletools.optimize(pickle.dumps(value, 3))[2:-1]


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def made(kind: bytes, arguments: bytes) -> bytes:
    """A call of ``kind``; ``arguments`` make one tuple."""
    return kind + arguments + b"R"


def pair(first: bytes, second: bytes) -> bytes:
    return first + second + b"\x86"


def listed(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"


def mapped(**items: bytes) -> bytes:
    return b"}(" + b"".join(plain(key) + value for key, value in items.items()) + b"u"


def dtype(code: str, order: str = "<") -> bytes:
    state = (3, order, None, None, None, -1, -1, 63 if code == "O8" else 0)
    return made(name("numpy", "dtype"), plain((code, False, True))) + plain(state) + b"b"


def array(shape: tuple[int, ...], kind: bytes, raw: bytes) -> bytes:
    """A numpy array of the type ``kind``; ``raw`` makes its contents."""
    empty = made(
        name("numpy.core.multiarray", "_reconstruct"),
        name("numpy", "ndarray") + plain((0,)) + plain(b"b") + b"\x87",
    )
    return empty + b"(" + plain(1) + plain(shape) + kind + plain(False) + raw + b"tb"


def index(data: bytes, kind: tuple[str, str] = ("pandas.core.indexes.base", "Index")) -> bytes:
    return made(name("pandas.core.indexes.base", "_new_Index"), pair(name(*kind), mapped(data=data, name=plain(None))))


def names(columns: list[str]) -> bytes:
    return index(array((len(columns),), dtype("O8", "|"), plain(columns)))


def table(columns: Mapping[str, Any], **extra: bytes) -> bytes:
    """A pickled DataFrame of 8-byte numbers; ``extra`` entries of its state may be anything."""
    groups = [
        (code, [k for k, v in columns.items() if np.asarray(v).dtype.kind == kind])
        for code, kind in (("f8", "f"), ("i8", "i"))
    ]
    order, blocks, values_only = list(columns), [], []
    for code, keys in groups:
        if keys:
            values = np.stack([np.asarray(columns[k], code) for k in keys])
            places = np.array([order.index(k) for k in keys], "<i8")
            block = array(values.shape, dtype(code), plain(values.tobytes()))
            blocks.append(mapped(values=block, mgr_locs=array(places.shape, dtype("i8"), plain(places.tobytes()))))
            values_only.append(block)
    count = len(next(iter(columns.values())))
    rows = array((count,), dtype("i8"), plain(np.arange(count).astype("<i8").tobytes()))
    axes = listed(names(order), index(rows, ("pandas.core.indexes.numeric", "Int64Index")))
    items = listed(*(names([k for k in order if k in keys]) for _, keys in groups if keys))
    newest = b"}" + plain("0.14.1") + mapped(axes=axes, blocks=listed(*blocks)) + b"s"
    state = b"(" + axes + listed(*values_only) + items + newest + b"t"
    manager = name("pandas.core.internals.managers", "BlockManager") + b")\x81" + state + b"b"
    contents = mapped(_data=manager, _typ=plain("dataframe"), _metadata=plain([]), **extra)
    return b"\x80\x04" + name("pandas.core.frame", "DataFrame") + b")\x81" + contents + b"b."
