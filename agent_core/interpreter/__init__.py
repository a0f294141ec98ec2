"""The metered subset of Python that runs inside the jail. It imports the standard library alone."""
