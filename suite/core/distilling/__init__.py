"""What methods are made of: bases, starting images, matching, meta-learning, experts."""
