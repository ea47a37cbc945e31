"""Here so that pytest puts this folder on the import path: the tests in logs/ share its helpers."""
