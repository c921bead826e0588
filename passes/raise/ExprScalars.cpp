//===- ExprScalars.cpp - elementwise expressions as scalar operations ------===//
// For the regions of mixers: the lowering of every elementwise operator gives its element.
//===----------------------------------------------------------------------===//
#include "passes/lower/Registry.h"
#include "passes/raise/ExprWriter.h"

using namespace mlir;
using namespace ssm;

Value ssm::writeScalar(ExprRef root, OpBuilder &b, Location loc, llvm::function_ref<Value(ExprRef)> leaf) {
  DenseMap<ExprRef, Value> done;
  Scalar s(b, loc);
  std::function<Value(ExprRef)> walk = [&](ExprRef e) -> Value {
    if (!e)
      return {};
    if (Value v = done.lookup(e))
      return v;
    Value r;
    if (e->kind == Expr::Kind::Constant) {
      r = s.constant(e->type, e->number);
    } else if (e->kind == Expr::Kind::Op) {
      SmallVector<Value> o;
      for (ExprRef operand : e->operands) {
        o.push_back(walk(operand));
        if (operand && !o.back())
          return {};
      }
      Type t = e->operands[0]->type;
      if (e->prototype)
        r = e->name == "Cast" ? s.cast(o[0], t, e->type) : Registry::get().lookup(e->prototype)->element(e->prototype, s, o);
      else if (e->name == "Add" || e->name == "Sum" || e->name == "Mul" || e->name == "Max" || e->name == "Min") {
        auto fn = e->name == "Mul" ? &Scalar::mul : e->name == "Max" ? &Scalar::max : e->name == "Min" ? &Scalar::min : &Scalar::add;
        r = o[0];
        for (Value next : ArrayRef<Value>(o).drop_front())
          r = (s.*fn)(r, next, t);
      } else {
        // An operator that only serves to look up its lowering: name and types.
        OperationState state(loc, ("onnx." + e->name).str());
        Block scratch;
        for (ExprRef operand : e->operands)
          state.operands.push_back(scratch.addArgument(RankedTensorType::get({}, operand->type), loc));
        state.addTypes(RankedTensorType::get({}, e->type));
        Operation *op = Operation::create(state);
        if (const Lowering *lowering = Registry::get().lookup(op); lowering && lowering->element)
          r = lowering->element(op, s, o);
        op->destroy();
      }
      // Where a buffer would have rounded, the scalar is rounded.
      if (r && isa<FloatType>(e->type) && computeType(e->type) != storageType(e->type))
        r = s.load(s.store(r, e->type), e->type);
    } else {
      r = leaf(e);
    }
    return done[e] = r;
  };
  return walk(root);
}
