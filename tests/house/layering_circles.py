"""Circles of a graph {node: {target: evidence}}. Evidence says how a node knows its target: "calls f of {}"."""

import collections


def find_knots(graph):
    """Groups of two nodes or more each of which reaches all others (Tarjan), sorted."""
    index, low, stack, knots = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in graph.get(node, ()):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            knot = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(knot) > 1:
                knots.append(sorted(knot))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(knots)


def circle_through(graph, start):
    """A circle of fewest nodes through a node of a knot, which it begins and ends with."""
    trails, seen = collections.deque([[start]]), set()
    while trails:
        trail = trails.popleft()
        for target in sorted(graph.get(trail[-1], ())):
            if target == start:
                return trail + [start]
            if target not in seen:
                seen.add(target)
                trails.append(trail + [target])
    return None


def tell(graph, knot):
    """The circles of fewest nodes that together pass each node of a knot: a calls f of b, which calls g of a."""
    told, left = [], set(knot)
    while left:
        circle = circle_through(graph, min(left))
        left -= set(circle)
        steps = [graph[node][target].format(target) for node, target in zip(circle, circle[1:])]
        told.append(f"{circle[0]} " + ", which ".join(steps))
    return "\n    ".join(told)


def join(graph, name_of):
    """The graph of groups: nodes of one name are one; what a group knows of itself is left out."""
    joined = {}
    for node, targets in graph.items():
        mine = joined.setdefault(name_of(node), {})
        for target, evidence in targets.items():
            if name_of(target) != name_of(node):
                mine.setdefault(name_of(target), evidence)
    return joined
