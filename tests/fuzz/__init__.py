"""Fuzzing: one function per surface that takes bytes of strangers, run by atheris (``make fuzz``) and, on a small
corpus and a few hundred mutations of it, by the ordinary test suite (``test_replay``)."""
