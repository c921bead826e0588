"""Damage to ONNX files: truncation, bytes, and fields of the protobuf message. Everything follows from the seed."""
import random

from google.protobuf.message import Message

NUMBERS = [0, 1, 2, 3, 7, 8, 16, 17, 64, 127, 128, 255, 256, 1000, 65535, 1 << 20, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 40,
           (1 << 62), (1 << 63) - 1]
FLOATS = [0.0, -0.0, 1.0, -1.0, 1e-45, 1e38, -1e38, float("inf"), float("-inf"), float("nan"), 0.5, 1e9]
TEXTS = ["", "x", "y", "ai.onnx", "com.microsoft", "Add", "MatMul", "Loop", "If", "Scan", "Identity", "Reshape", "\0", "ü\n\"%s",
         "a" * 5000, "../../../../etc/passwd", "weights.bin", "SAME_UPPER", "linear"]


def truncations(data, count):
    """Prefixes at evenly spread offsets."""
    return [data[: len(data) * i // count] for i in range(count)]


def damage_bytes(data, seed):
    r = random.Random(seed)
    out = bytearray(data)
    for _ in range(r.choice([1, 1, 1, 2, 4, 16])):
        at = r.randrange(len(out))
        kind = r.randrange(6)
        if kind == 0:
            out[at] ^= 1 << r.randrange(8)
        elif kind == 1:
            out[at] = r.choice([0, 1, 0x7F, 0x80, 0xFF, r.randrange(256)])
        elif kind == 2:
            del out[at: at + r.choice([1, 2, 8, 64])]
        elif kind == 3:
            out[at:at] = bytes(r.randrange(256) for _ in range(r.choice([1, 2, 8])))
        elif kind == 4:
            source = r.randrange(len(out))
            out[at:at] = out[source: source + r.choice([4, 16, 64])]
        else:
            out[at: at + 8] = (r.choice(NUMBERS)).to_bytes(8, "little")
        if not out:
            return b"\0"
    return bytes(out)


def _messages(message, found):
    """Every message of a tree, the message itself first."""
    found.append(message)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if isinstance(value, Message) is False else [value]:
                _messages(inner, found)
    return found


def _other(field, old, r, texts):
    """Another value for a scalar field."""
    kind = field.cpp_type
    if kind in (field.CPPTYPE_INT32, field.CPPTYPE_INT64, field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
        value = r.choice([r.choice(NUMBERS), -r.choice(NUMBERS), (old or 0) + r.choice([-1, 1]), r.randrange(30)])
        bits = 32 if kind in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32) else 64
        if kind in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
            return abs(value) % (1 << bits)
        return (value + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))
    if kind == field.CPPTYPE_ENUM:
        return r.choice(field.enum_type.values).number
    if kind in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return r.choice(FLOATS)
    if kind == field.CPPTYPE_BOOL:
        return not old
    text = r.choice([r.choice(TEXTS), r.choice(texts)])
    if field.type == field.TYPE_BYTES:
        content = bytes(old or b"")
        return r.choice([text.encode(), content[: len(content) // 2], content + b"\1", content * 2, b""])
    return text


def damage_fields(model, seed):
    """A model with a few fields changed; whatever results can still be written and parsed."""
    r = random.Random(seed)
    copy = type(model)()
    copy.CopyFrom(model)
    texts = [n.op_type for n in copy.graph.node] + [name for n in copy.graph.node for name in list(n.input) + list(n.output)]
    for _ in range(r.choice([1, 1, 1, 2, 3])):
        message = r.choice(_messages(copy, []))
        fields = [f for f, _ in message.ListFields()] if r.random() < 0.8 else message.DESCRIPTOR.fields
        if not fields:
            continue
        field = r.choice(list(fields))
        value = getattr(message, field.name)
        if not field.is_repeated:
            if field.message_type is not None:
                message.ClearField(field.name) if r.random() < 0.5 else value.SetInParent()
            elif r.random() < 0.2:
                message.ClearField(field.name)
            else:
                setattr(message, field.name, _other(field, value, r, texts))
            continue
        kind = r.randrange(5)
        if not len(value) or kind == 0:
            if field.message_type is None:
                value.append(_other(field, None, r, texts))
            else:
                added = value.add()
                if len(value) > 1:
                    added.CopyFrom(value[r.randrange(len(value) - 1)])
        elif kind == 1:
            del value[r.randrange(len(value))]
        elif field.message_type is None:
            at = r.randrange(len(value))
            value[at] = _other(field, value[at], r, texts)
        elif kind == 2:
            value[r.randrange(len(value))].CopyFrom(value[r.randrange(len(value))])
        elif kind == 3:
            items = list(value)
            r.shuffle(items)
            items = [type(i).FromString(i.SerializePartialToString()) for i in items]
            del value[:]
            value.extend(items)
        else:
            value[r.randrange(len(value))].Clear()
    return copy.SerializePartialToString()
