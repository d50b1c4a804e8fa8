"""What each operation of a pickle does to the machine that follows it."""

from collections.abc import Callable
from typing import Any

from worker.scanning.findings import Severity
from worker.scanning.machine import OPAQUE, Machine, Made, Mapping
from worker.scanning.opcodes import Broken, Operation


def take(machine: Machine, operation: Operation) -> None:
    """Follow one operation; raises Broken where a real unpickler would fail."""
    name = operation.name
    step = STEPS.get(name)
    try:
        if step is not None:
            step(machine, operation)
        elif name in CONSTANTS:
            machine.stack.append(CONSTANTS[name])
        elif name not in NOTHING:
            machine.stack.append(OPAQUE if operation.argument is None else operation.argument)
    except (IndexError, KeyError):
        raise Broken(f"{name} finds nothing on the stack or in the memo") from None


def _global(machine: Machine, operation: Operation) -> None:
    module, _, name = operation.argument.partition(" ")
    machine.stack.append(machine.bring(module, name, operation.position))


def _stack_global(machine: Machine, operation: Operation) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.bring(module, name, operation.position))


def _inst(machine: Machine, operation: Operation) -> None:
    module, _, name = operation.argument.partition(" ")
    what = machine.bring(module, name, operation.position)
    machine.call(what, tuple(machine.pop_mark()))


def _obj(machine: Machine, operation: Operation) -> None:
    what, *arguments = machine.pop_mark() or [OPAQUE]
    machine.call(what, tuple(arguments))


def _reduce(machine: Machine, operation: Operation) -> None:
    arguments, what = machine.stack.pop(), machine.stack.pop()
    machine.call(what, arguments)


def _newobj_ex(machine: Machine, operation: Operation) -> None:
    _, arguments, what = machine.stack.pop(), machine.stack.pop(), machine.stack.pop()
    machine.call(what, arguments)


def _build(machine: Machine, operation: Operation) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    machine.change(target)
    if isinstance(target, Made):
        target.state = state


def _extension(machine: Machine, operation: Operation) -> None:
    machine.remark(
        Severity.SUSPICIOUS,
        f"It imports copyreg's extension {operation.argument}, whatever that is on loading.",
    )
    machine.stack.append(OPAQUE)


def _pop(machine: Machine, operation: Operation) -> None:
    if not machine.stack:
        machine.pop_mark()
    else:
        machine.drop(machine.stack.pop())


def _pop_mark(machine: Machine, operation: Operation) -> None:
    for value in machine.pop_mark():
        machine.drop(value)


def _mark(machine: Machine, operation: Operation) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _dup(machine: Machine, operation: Operation) -> None:
    machine.stack.append(machine.stack[-1])


def _get(machine: Machine, operation: Operation) -> None:
    machine.stack.append(machine.memo[int(operation.argument)])


def _put(machine: Machine, operation: Operation) -> None:
    machine.memo[int(operation.argument)] = machine.stack[-1]


def _memoize(machine: Machine, operation: Operation) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _tuple_of(count: int) -> Callable[[Machine, Operation], None]:
    def step(machine: Machine, operation: Operation) -> None:
        items = [machine.stack.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(items)))

    return step


def _tuple(machine: Machine, operation: Operation) -> None:
    items = tuple(machine.pop_mark())
    machine.stack.append(items)


def _opaque_of_mark(machine: Machine, operation: Operation) -> None:
    machine.pop_mark()
    machine.stack.append(OPAQUE)


def _append(machine: Machine, operation: Operation) -> None:
    machine.stack.pop()
    machine.change(machine.stack[-1])


def _append_marked(machine: Machine, operation: Operation) -> None:
    machine.pop_mark()
    machine.change(machine.stack[-1])


def _set_item(machine: Machine, operation: Operation) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _fill(machine, [key, value])


def _set_items(machine: Machine, operation: Operation) -> None:
    _fill(machine, machine.pop_mark())


def _fill(machine: Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    machine.change(target)
    if isinstance(target, Mapping):
        for key, value in zip(items[::2], items[1::2], strict=False):
            target.put(key, value)


def _empty_dict(machine: Machine, operation: Operation) -> None:
    machine.stack.append(Mapping())


def _dict(machine: Machine, operation: Operation) -> None:
    items = machine.pop_mark()
    machine.stack.append(Mapping())
    _fill(machine, items)


def _persistent(machine: Machine, operation: Operation) -> None:
    machine.stack.pop()
    machine.stack.append(OPAQUE)


NOTHING = {"PROTO", "FRAME", "READONLY_BUFFER", "STOP"}
CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "EMPTY_LIST": OPAQUE,
    "EMPTY_SET": OPAQUE,
    "NEXT_BUFFER": OPAQUE,
    "PERSID": OPAQUE,
}
STEPS: dict[str, Callable[[Machine, Operation], None]] = {
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "INST": _inst,
    "OBJ": _obj,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _newobj_ex,
    "BUILD": _build,
    "EXT1": _extension,
    "EXT2": _extension,
    "EXT4": _extension,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "MARK": _mark,
    "DUP": _dup,
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": _memoize,
    "TUPLE": _tuple,
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "LIST": _opaque_of_mark,
    "FROZENSET": _opaque_of_mark,
    "APPEND": _append,
    "APPENDS": _append_marked,
    "ADDITEMS": _append_marked,
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "EMPTY_DICT": _empty_dict,
    "DICT": _dict,
    "BINPERSID": _persistent,
}
