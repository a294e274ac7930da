"""A heap in two arrays: numbers with their sizes, the smallest size first and of equal ones the smallest number.

Python's own, of pairs, takes longer to run and three seconds to compile.
"""

from __future__ import annotations

from core.compiling import compiled


@compiled
def sink(sizes, numbers, queued, hole, size, number):
    """Put a number into a hole of a heap of `queued`, whose smaller ones move up."""
    while True:
        child = 2 * hole + 1
        if child >= queued:
            break
        other = child + 1
        if other < queued and (sizes[other] < sizes[child] or (sizes[other] == sizes[child] and numbers[other] < numbers[child])):
            child = other
        if size < sizes[child] or (size == sizes[child] and number < numbers[child]):
            break
        sizes[hole], numbers[hole] = sizes[child], numbers[child]
        hole = child
    sizes[hole], numbers[hole] = size, number


@compiled
def rise(sizes, numbers, hole, size, number):
    """Put a number into the last hole of a heap, or where larger ones above it make room."""
    while hole > 0:
        parent = (hole - 1) >> 1
        if sizes[parent] < size or (sizes[parent] == size and numbers[parent] < number):
            break
        sizes[hole], numbers[hole] = sizes[parent], numbers[parent]
        hole = parent
    sizes[hole], numbers[hole] = size, number
