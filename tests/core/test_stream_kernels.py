"""The loops of a stream against PyTorch, where no model of ours goes: extreme values and odd sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lapose_core.model import stream_kernels as kernels


def rows(count: int, width: int, spread: float = 1.0) -> torch.Tensor:
    return spread * torch.randn(count, width, generator=torch.Generator().manual_seed(count))


def test_gelu_holds_from_one_tail_to_the_other() -> None:
    x = torch.cat([torch.linspace(-40, 40, 4001), torch.tensor([0.0, -0.0, 1e-30, -1e30, 1e30])])[None]
    found = x.clone()
    kernels.gelu(found.numpy())
    torch.testing.assert_close(found, F.gelu(x.double()).float(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("width", [1, 7, 128, 1537])
def test_norm_and_linear_take_any_width(width: int) -> None:
    x, weight, bias = rows(5, width, 3.0), rows(3, width), rows(1, width)[0]
    out = torch.empty_like(x)
    kernels.norm(x.numpy(), bias.numpy(), bias.numpy(), 1e-5, out.numpy())
    torch.testing.assert_close(out, F.layer_norm(x, (width,), bias, bias), rtol=1e-5, atol=1e-5)
    said = torch.ones(3)
    kernels.linear(x[0].numpy(), weight.numpy(), said.clone().numpy(), said.numpy(), True)
    torch.testing.assert_close(said, 2 + weight @ x[0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("spread", [1.0, 30.0])
@pytest.mark.parametrize("filled", [1, 3, 5])
def test_few_rows_read_only_those_that_are_filled(filled: int, spread: float) -> None:
    heads, channels, count = 3, 10, 5
    qkv = rows(count, 3 * heads * channels, spread)
    out = np.empty((count, heads * channels), np.float32)
    kernels.attention_among(heads, channels, count)(qkv.numpy(), filled, out)
    q, k, v = qkv.view(count, 3, heads, channels).permute(1, 2, 0, 3)
    expected = F.scaled_dot_product_attention(q, k[:, :filled], v[:, :filled]).transpose(0, 1).flatten(1)
    torch.testing.assert_close(torch.from_numpy(out), expected, rtol=1e-5, atol=1e-5 * spread)


def test_one_row_reads_the_others_without_their_keys_and_values() -> None:
    heads, channels, count = 3, 10, 23
    width = heads * channels
    x, query = rows(count, width), rows(1, width)[0]
    key, value, bias = rows(width, width, 0.3), rows(width + 1, width, 0.3)[1:], rows(2, width)[1]
    out = torch.empty(width)
    arrays = (t.numpy() for t in (key, value, bias, out))
    kernels.attention_of_one(query.numpy(), x.numpy(), channels, *arrays)
    q, k, v = (t.view(-1, heads, channels).transpose(0, 1) for t in (query, x @ key.T, x @ value.T + bias))
    expected = F.scaled_dot_product_attention(q, k, v).flatten()
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)
