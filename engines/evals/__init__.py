"""Evals: how answers are scored (`scorers`, `rewarding`, `judging`), what the scores come to (`figures`), and the leased run that
asks a model a dataset (`evaluation_run`).
"""
