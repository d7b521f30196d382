"""Memory that a compiled loop will read soon."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def prefetch(typing, array, place):
    """Begins to fetch an entry of a contiguous array of one dimension into
    the caches. Nothing waits for it, no result depends on it, and the place
    may lie beyond the end.
    """
    if not (
        isinstance(array, types.Array)
        and (array.ndim, array.layout) == (1, 'C')
        and isinstance(place, types.Integer)
    ):
        return None

    def generate(context, builder, signature, args):
        kind = signature.args[0]
        data = context.make_array(kind)(context, builder, args[0]).data
        address = builder.bitcast(
            builder.gep(data, [args[1]]), ir.IntType(8).as_pointer()
        )
        number = ir.IntType(32)
        how = [address.type, number, number, number]
        fetch = builder.module.declare_intrinsic(
            'llvm.prefetch',
            [address.type],
            ir.FunctionType(ir.VoidType(), how),
        )
        read, near, data_cache = (ir.Constant(number, i) for i in (0, 3, 1))
        builder.call(fetch, [address, read, near, data_cache])
        return context.get_dummy_value()

    return types.void(array, place), generate
