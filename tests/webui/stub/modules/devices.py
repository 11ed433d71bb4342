"""Where the WebUI computes. Some WebUIs have no `get_device_for`."""

import torch

device = torch.device("cpu")
asked = []
collections = 0


def get_device_for(task):
    asked.append(task)
    return device


def torch_gc():
    global collections
    collections += 1
