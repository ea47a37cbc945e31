"""One file per subcommand of ``lapose``, each a frozen dataclass whose fields are its options."""
