"""Coverage-guided fuzzing: a function for each decoder that takes any octets and asserts what must hold of them.

A target is a plain function of octets (``targets.TARGETS``). What the decoder may raise (``BgpError``,
``TreatAsWithdraw``, ``ConfigError``, ``Refused``) it catches; anything else that leaves it is a find. Beyond crashes,
it asserts what the result must agree with: the grammar, the plain decoder, its own encoding. ``campaign`` runs targets
under atheris (``make fuzz``), ``test_corpus`` replays the inputs in ``corpus/`` without it, as part of the tests.
"""
