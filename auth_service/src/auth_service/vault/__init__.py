"""The credential vault (DESIGN §3): secrets go in, references come out; named services alone get a secret back."""
