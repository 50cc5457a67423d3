"""SynthPEDES: procedurally rendered pedestrians with human-like captions (the embedded benchmark)."""
