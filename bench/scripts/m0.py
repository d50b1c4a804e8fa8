"""Echo: the sum of each row. What is left of a request is the server's own work."""


class Predict:
    def predict(self, inputs):
        return [sum(row) for row in inputs]
