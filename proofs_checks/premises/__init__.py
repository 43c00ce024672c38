"""What a check starts from: strategies that draw codes and logits, and exact constructions that prove themselves."""
