"""Topics: where inference records and streamed requests go, and what is registered of them."""
