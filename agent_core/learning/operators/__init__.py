"""Programs proposed from programs that are known, and the table of the operators that do so."""
