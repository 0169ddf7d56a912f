"""A hint to the processor, from inside compiled loops, that a row of a matrix is needed soon."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

FOR_WRITING, KEEP_NEAR, DATA = 1, 3, 1
"""Arguments of LLVM's prefetch: the row will be changed; keep it in all caches; it is data, not code."""


@intrinsic
def prefetch(typing_context: Any, matrix: Any, row: Any, column: Any) -> Any:
    """``prefetch(matrix, row, column)``: start to load the cache line of one element; changes nothing else.

    Rows of factors are met in the order of the ratings, which no hardware can guess, and a gradient step is too long
    for the processor to look ahead by itself. The indices are not checked.
    """
    del typing_context, row, column

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        element = cgutils.get_item_pointer(  # type: ignore[no-untyped-call]
            context, builder, signature.args[0], array, list(arguments[1:]), wraparound=False
        )
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, kind, "llvm.prefetch.p0"
        )
        constants = [number(value) for value in (FOR_WRITING, KEEP_NEAR, DATA)]
        builder.call(function, [builder.bitcast(element, pointer), *constants])
        return context.get_dummy_value()

    return types.void(matrix, types.intp, types.intp), generate
