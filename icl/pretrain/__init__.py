"""Pre-training of the small models that stand where CLIP ViT-B/16 and Qwen2-VL-7B-Instruct stand at paper scale."""
