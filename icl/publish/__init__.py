"""What others cite and compare: SynthPEDES as a data set, a run's results as one file, a leaderboard of such files."""
