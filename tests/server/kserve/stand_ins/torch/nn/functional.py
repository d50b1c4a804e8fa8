"""torch.nn.functional"""


def softmax(tensor, dim):
    return tensor
