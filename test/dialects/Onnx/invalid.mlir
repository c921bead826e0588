// RUN: ssm-opt %s --split-input-file --verify-diagnostics

func.func @operand_count(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @+1 {{has 0 operands and 1 results, the schema has 1 and 1}}
  %0 = "onnx.Sum"() : () -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @element_type(%x: tensor<2xi1>) -> tensor<2xi1> {
  // expected-error @+1 {{operand #0 'A' has element type 'i1', which Add-14 does not allow}}
  %0 = "onnx.Add"(%x, %x) : (tensor<2xi1>, tensor<2xi1>) -> tensor<2xi1>
  return %0 : tensor<2xi1>
}

// -----

func.func @same_letter(%x: tensor<2xf32>, %y: tensor<2xf64>) -> tensor<2xf32> {
  // expected-error @+1 {{operand #1 'B' has element type 'f64', other values of type T have 'f32'}}
  %0 = "onnx.Add"(%x, %y) : (tensor<2xf32>, tensor<2xf64>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @required_attribute(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @+1 {{lacks the attribute 'axis'}}
  %0 = "onnx.Concat"(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
