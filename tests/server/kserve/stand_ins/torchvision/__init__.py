"""As much of torchvision as the published example uses: its weights cannot be downloaded in a test."""
