//===- SsmOps.td - all operations of the ssm dialect ---------------------===//
include "dialects/Ssm/StructureOps.td"
include "dialects/Ssm/MixerOps.td"
