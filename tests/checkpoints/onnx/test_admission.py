"""Which ONNX graphs are run: GPEN's of every exporter, and nothing that does harm."""

import itertools
import math

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from gpen_core import load_restorer
from gpen_core.checkpoints.onnx import admission
from gpen_core.checkpoints.onnx.admission import admit, check_detection, check_restoration
from gpen_core.checkpoints.onnx.extent import RULES, Extent, measure
from gpen_core.checkpoints.onnx.graph import MOST_NODES, read_graph
from gpen_core.checkpoints.onnx.interface import read_interface
from gpen_core.conversion.onnx_graph import build_model
from gpen_core.detection.yunet import YuNetDetector
from gpen_core.errors import CheckpointError, DetectionError, GpenError
from gpen_core.model_files.contents import read_contents
from gpen_core.network.config import PUBLISHED, GpenConfig
from gpen_core.network.synthetic_weights import random_state

SIZE = 64
TINY = GpenConfig(SIZE, 1, 0.125)
PICTURE = [1, 3, SIZE, SIZE]
NO_BOUNDS = Extent(*[1 << 100] * 4)


def field(number, data):
    """One field of Protocol Buffers that holds bytes."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(number):
    data = b""
    while number > 127:
        data, number = data + bytes([number & 127 | 128]), number >> 7
    return data + bytes([number])


def weight(name, values, kind=np.int64):
    return numpy_helper.from_array(np.array(values, kind), name)


def model_of(nodes, weights=(), opset=17, **more):
    picture = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, PICTURE)
        for name in ("input", "output")
    ]
    graph = helper.make_graph(nodes, "g", picture[:1], picture[1:], list(weights))
    sets = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=sets, ir_version=8, **more)


def with_side(model, side):
    """The same for pictures of another size."""
    for entry in (*model.graph.input, *model.graph.output):
        for axis in entry.type.tensor_type.shape.dim[2:]:
            axis.dim_value = side
    return model


def saved(tmp_path, model):
    path = tmp_path / "GPEN-BFR-256.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def large(operator, *inputs, **attributes):
    """A node whose result is folded into the picture, so that the rest of the graph is sound."""
    return [
        helper.make_node(operator, inputs, ["big"], **attributes),
        helper.make_node("ReduceMax", ["big"], ["one"], keepdims=0),
        helper.make_node("Add", ["input", "one"], ["output"]),
    ]


LOOP = helper.make_graph(
    [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Neg", ["v"], ["w"])],
    "body",
    [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("v", TensorProto.FLOAT, PICTURE),
    ],
    [
        helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("w", TensorProto.FLOAT, PICTURE),
    ],
)
BRANCH = helper.make_graph(
    [helper.make_node("Neg", ["input"], ["b"])],
    "branch",
    [],
    [helper.make_tensor_value_info("b", TensorProto.FLOAT, PICTURE)],
)
ONE = weight("one_number", [1.0], np.float32)
HARM = {
    "ConstantOfShape": model_of(large("ConstantOfShape", "s"), [weight("s", [1 << 33])]),
    "Expand": model_of(large("Expand", "one_number", "s"), [ONE, weight("s", [50_000, 50_000])]),
    "Range": model_of(
        large("Range", "a", "b", "c"),
        [weight("a", 0.0, np.float32), weight("b", 2e9, np.float32), weight("c", 1, np.float32)],
    ),
    "Range ": model_of(
        large("Range", "a", "b", "c"), [weight("a", 0), weight("b", 1 << 40), weight("c", 1)]
    ),
    "Tile": model_of(large("Tile", "input", "s"), [weight("s", [1, 1, 512, 512])]),
    "Resize": model_of(
        large("Resize", "input", "", "f", mode="nearest"),
        [weight("f", [1, 1, 512, 512], np.float32)],
    ),
    "Pad": model_of(large("Pad", "input", "s"), [weight("s", [0] * 6 + [1 << 20] * 2)]),
    "Gather": model_of(
        large("Gather", "input", "big_index", axis=2), [weight("big_index", [0] * 100_000)]
    ),
    "Add": model_of(
        large("Add", "row", "column"),
        [
            weight("row", np.zeros((1, 40_000)), np.float32),
            weight("column", np.zeros((40_000, 1)), np.float32),
        ],
    ),
    "Conv": model_of(
        [helper.make_node("Conv", ["input", "w"], ["output"], pads=[1 << 20] * 4)],
        [weight("w", np.zeros((3, 3, 3, 3)), np.float32)],
    ),
    "ConvTranspose": model_of(
        large("ConvTranspose", "input", "w", strides=[4096, 4096]),
        [weight("w", np.zeros((3, 3, 3, 3)), np.float32)],
    ),
    "Loop": model_of(
        [helper.make_node("Loop", ["n", "yes", "input"], ["output"], body=LOOP)],
        [weight("n", 2**63 - 1), weight("yes", True, np.bool_)],
    ),
    "If": model_of(
        [helper.make_node("If", ["yes"], ["output"], then_branch=BRANCH, else_branch=BRANCH)],
        [weight("yes", True, np.bool_)],
    ),
    "Steal": model_of([helper.make_node("Steal", ["input"], ["output"], domain="own")]),
    # A known operator's name in another's domain is another operator.
    "Identity": model_of([helper.make_node("Identity", ["input"], ["output"], domain="own")]),
}


@pytest.fixture
def no_session(monkeypatch):
    """Neither onnxruntime nor OpenCV may see the file."""

    def seen(*_args, **_keywords):
        raise AssertionError("it was given away")

    cv2 = pytest.importorskip("cv2")
    monkeypatch.setattr(onnxruntime, "InferenceSession", seen)
    monkeypatch.setattr(cv2.FaceDetectorYN, "create", seen)


class TestHarm:
    @pytest.mark.parametrize("operator", HARM)
    def test_is_refused_before_anything_runs(self, tmp_path, no_session, operator):
        path = saved(tmp_path, HARM[operator])
        said = rf"GPEN-BFR-256\.onnx is not run.*'{operator.strip()}'"
        with pytest.raises(CheckpointError, match=said) as refused:
            load_restorer(path, "cpu")
        assert len(str(refused.value)) - len(str(path)) < 200
        with pytest.raises(DetectionError, match="is not run"):
            YuNetDetector(path)

    def test_functions(self, tmp_path, no_session):
        sets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        functions = [
            helper.make_function(
                "own", "F0", ["a"], ["b"], [helper.make_node("Neg", "a", "b")], sets
            )
        ]
        for level in range(40):
            twice = [helper.make_node(f"F{level}", [a], [b], domain="own") for a, b in ("ac", "cb")]
            functions.append(
                helper.make_function("own", f"F{level + 1}", ["a"], ["b"], twice, sets)
            )
        nodes = [helper.make_node("F40", ["input"], ["output"], domain="own")]
        with pytest.raises(CheckpointError, match="functions of its own"):
            load_restorer(saved(tmp_path, model_of(nodes, functions=functions)), "cpu")

    def test_many_values_that_are_small_each(self, tmp_path, no_session):
        names = ["input", *(f"v{at}" for at in range(4000)), "output"]
        nodes = [helper.make_node("LeakyRelu", [a], [b]) for a, b in itertools.pairwise(names)]
        with pytest.raises(CheckpointError, match="too much memory"):
            load_restorer(saved(tmp_path, model_of(nodes)), "cpu")

    def test_values_that_are_all_needed_at_once(self, tmp_path, no_session):
        nodes = [helper.make_node("LeakyRelu", ["input"], [f"v{at}"]) for at in range(400)]
        nodes.append(helper.make_node("Sum", [f"v{at}" for at in range(400)], ["output"]))
        with pytest.raises(CheckpointError, match="too much memory"):
            load_restorer(saved(tmp_path, model_of(nodes)), "cpu")

    def test_computing_without_end(self, tmp_path, no_session):
        wide = weight("w", np.zeros((16, 16, 16, 16)), np.float32)
        first = helper.make_node("Concat", ["input"] * 5 + ["rest"], ["v0"], axis=1)
        rest = helper.make_node("Slice", ["input", "a", "b", "c"], ["rest"])
        convs = [
            helper.make_node("Conv", [f"v{at}", "w"], [f"v{at + 1}"], auto_pad="SAME_UPPER")
            for at in range(50)
        ]
        last = helper.make_node("Slice", ["v50", "a", "three", "c"], ["output"])
        weights = [wide, weight("a", [0]), weight("b", [1]), weight("c", [1]), weight("three", [3])]
        with pytest.raises(CheckpointError, match="too much is computed"):
            load_restorer(saved(tmp_path, model_of([rest, first, *convs, last], weights)), "cpu")

    def test_a_large_picture_allows_no_more_channels_than_gpen_has(self, tmp_path, no_session):
        model = model_of(large("ConstantOfShape", "s"), [weight("s", [80 * 2048**2])])
        with pytest.raises(CheckpointError, match="result is too large"):
            load_restorer(saved(tmp_path, with_side(model, 2048)), "cpu")

    def test_pictures_larger_than_gpens(self, tmp_path, no_session):
        model = with_side(model_of([helper.make_node("Neg", ["input"], ["output"])]), 4096)
        with pytest.raises(CheckpointError, match="not a GPEN model"):
            load_restorer(saved(tmp_path, model), "cpu")

    @pytest.mark.parametrize("operator", ["Sum", "Max"])
    def test_one_node_that_adds_the_same_value_thousands_of_times(
        self, tmp_path, no_session, operator
    ):
        wide = helper.make_node("ConstantOfShape", ["s"], ["wide"])
        nodes = [wide, *large(operator, *["wide"] * 20_000)]
        path = saved(tmp_path, model_of(nodes, [weight("s", [150 * SIZE**2])]))
        with pytest.raises(CheckpointError, match=f"'{operator}': too much is computed"):
            load_restorer(path, "cpu")

    def test_numbers_as_texts(self, tmp_path, no_session):
        nodes = [
            helper.make_node("Cast", ["input"], ["texts"], to=TensorProto.STRING),
            helper.make_node("Cast", ["texts"], ["output"], to=TensorProto.FLOAT),
        ]
        with pytest.raises(CheckpointError, match="it makes texts"):
            load_restorer(saved(tmp_path, model_of(nodes)), "cpu")

    @pytest.mark.parametrize(
        ("operator", "inputs", "attributes"),
        [
            ("Where", ["yes", "one"], {}),
            ("Where", ["yes", "one", "one", "one"], {}),
            ("Equal", ["one"], {}),
            ("ConstantOfShape", ["endless"], {}),
            ("Constant", [], {"value_int": math.nan}),
            ("Constant", [], {"value_int": math.inf}),
            ("Constant", [], {"value_int": "x"}),
            ("Constant", [], {"value_int": [1, 2]}),
            ("Constant", [], {"value_int": weight("w", [1])}),
            ("Constant", [], {"value_ints": [1.5, math.nan]}),
        ],
    )
    def test_numbers_that_do_not_fit_their_operator(
        self, tmp_path, no_session, operator, inputs, attributes
    ):
        weights = [
            weight("yes", [True], np.bool_),
            weight("one", [1]),
            weight("endless", [1 << 62, 1 << 62, 0]),
        ]
        nodes = [
            helper.make_node(operator, inputs, ["x"], **attributes),
            helper.make_node("Identity", ["input"], ["output"]),
        ]
        path = saved(tmp_path, model_of(nodes, weights))
        with pytest.raises(CheckpointError, match=f"'{operator}': its numbers make no sense"):
            load_restorer(path, "cpu")

    def test_a_weight_that_is_larger_than_its_numbers(self, tmp_path, no_session):
        large = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 31], raw_data=b"1234")
        nodes = [helper.make_node("Add", ["input", "w"], ["output"])]
        with pytest.raises(CheckpointError, match="not whole"):
            load_restorer(saved(tmp_path, model_of(nodes, [large])), "cpu")

    def test_a_size_that_the_picture_decides(self, tmp_path, no_session):
        cast = helper.make_node("Cast", ["sum"], ["s"], to=TensorProto.INT64)
        total = helper.make_node("ReduceSum", ["input"], ["sum"], keepdims=0)
        nodes = [total, cast, *large("ConstantOfShape", "s")]
        with pytest.raises(CheckpointError, match="how large its result is cannot be told"):
            load_restorer(saved(tmp_path, model_of(nodes)), "cpu")

    def test_a_number_that_is_none(self, tmp_path, no_session):
        for number in (math.nan, math.inf):
            nodes = large("ConstantOfShape", "s")
            model = model_of(nodes, [weight("s", [number], np.float32)])
            with pytest.raises(CheckpointError, match="not a whole number"):
                load_restorer(saved(tmp_path, model), "cpu")

    def test_nodes_without_inputs(self, tmp_path, no_session):
        for operator in sorted(RULES):
            path = saved(tmp_path, model_of([helper.make_node(operator, [], ["output"])]))
            with pytest.raises(CheckpointError, match=operator):
                load_restorer(path, "cpu")

    def test_a_gpen_model_with_more_in_it_is_not_usable(self, tmp_path):
        model = build_model(random_state(TINY), TINY, False, 17, {})
        path = saved(tmp_path, model)
        assert read_contents(path).size == SIZE
        model.graph.node.extend(
            [helper.make_node("ConstantOfShape", ["huge"], ["big"], name="more")]
        )
        model.graph.initializer.append(weight("huge", [1 << 33]))
        saved(tmp_path, model)
        with pytest.raises(CheckpointError, match="is not run"):
            read_contents(path)

    def test_names_come_without_control_characters(self, tmp_path):
        nodes = [helper.make_node("\x1b]0;owned\x07" + "x" * 3000, ["input"], ["output"])]
        with pytest.raises(CheckpointError) as refused:
            load_restorer(saved(tmp_path, model_of(nodes)), "cpu")
        assert str(refused.value).isprintable()
        assert len(str(refused.value)) < 600

    def test_a_name_does_not_choose_another_format(self, tmp_path):
        """onnxruntime has one of its own, with other bytes than those that were checked."""
        identity = [helper.make_node("Identity", ["input"], ["output"])]
        path = saved(tmp_path, model_of(identity)).rename(tmp_path / "GPEN-BFR-256.ort")
        picture = torch.rand(3, SIZE, SIZE)
        torch.testing.assert_close(load_restorer(path, "cpu").restore(picture), picture)

    def test_a_file_that_changes_after_it_was_loaded(self, tmp_path):
        identity = [helper.make_node("Identity", ["input"], ["output"])]
        loaded = load_restorer(saved(tmp_path, model_of(identity)), "cpu")
        loaded.unload()
        saved(tmp_path, HARM["Expand"])
        with pytest.raises(CheckpointError, match="is not run"):
            loaded.restore(torch.zeros(3, SIZE, SIZE))


class TestReading:
    """Time in proportion to what is read, and that limited: by counts, not by a clock."""

    @pytest.mark.parametrize(
        "message",
        [
            field(7, field(5, b"") * 400_000),
            field(7, field(1, b"") * 400_000),
            field(7, field(5, b"\x08\x01" * 400_000)),
            field(7, field(5, field(1, b"\x01" * 400_000))),
            field(7, field(12, b"") * 20_000),
            field(7, field(1, field(5, b"") * 400_000)),
            field(7, field(11, field(2, field(1, field(2, field(1, b"") * 17))))),
            field(7, b"") + field(14, b"") * 2_000,
            field(7, field(1, field(4, b"x" * 5_000))),
        ],
        ids=lambda message: f"{len(message)} bytes",
    )
    def test_counts_are_limited(self, tmp_path, message):
        with pytest.raises(CheckpointError, match="more than any of them"):
            read_graph(saved(tmp_path, b"\x08\x08" + message))

    @pytest.mark.parametrize(
        "message",
        [
            field(7, b"") * 2,  # which other readers merge
            field(7, field(1, field(4, b"\xff"))),
            field(7, field(11, field(2, b"") * 2)),
            b"\x3d" + b"\0" * 4,  # a graph of four bytes
            field(7, b"") + b"\x12" + b"\x80" * 9 + b"\x02",
        ],
    )
    def test_what_others_may_read_differently_is_damaged(self, tmp_path, message):
        with pytest.raises(CheckpointError, match="damaged ONNX file"):
            read_graph(saved(tmp_path, b"\x08\x08" + message))

    def test_nodes_of_a_large_export_are_within_the_limit(self):
        assert MOST_NODES > 3 * 2645  # of 512 pixels, opset 11, by torch 2.13's older exporter

    def test_styles_are_found_among_thousands_of_matrices(self, tmp_path):
        """Every matrix of a size of its own made every pair of sizes be compared."""
        shape = lambda a, b: field(1, varint(a) + varint(b))  # noqa: E731
        matrices = b"".join(field(5, shape(a, 3)) * 4 for a in range(1, 2400))
        constants = b"".join(
            field(5, field(1, b"\x01" + varint(a) + b"\x04\x04")) for a in range(5000, 5300)
        )
        graph = read_graph(saved(tmp_path, b"\x08\x08" + field(7, matrices + constants)))
        with pytest.raises(CheckpointError, match="not a GPEN model"):
            read_interface(graph, "x")


class TestRules:
    """The sizes that are told without running are those that onnxruntime computes."""

    def sizes(self, nodes, weights, opset, shape):
        model = model_of(nodes, weights, opset)
        del model.graph.output[:]
        names = [name for node in nodes for name in node.output]
        model.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
        model.graph.input[0].CopyFrom(
            helper.make_tensor_value_info("input", TensorProto.FLOAT, list(shape))
        )
        return names, model

    @pytest.mark.parametrize(
        ("operator", "inputs", "attributes", "opset"),
        [
            ("Conv", [np.ones((4, 3, 3, 4), "f")], {"strides": [2, 1], "pads": [1, 0, 2, 3]}, 17),
            ("Conv", [np.ones((6, 1, 3, 3), "f")], {"group": 3, "dilations": [2, 3]}, 17),
            (
                "Conv",
                [np.ones((4, 3, 3, 3), "f")],
                {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
                17,
            ),
            ("Conv", [np.ones((4, 3, 3, 3), "f")], {"auto_pad": "VALID"}, 17),
            (
                "ConvTranspose",
                [np.ones((3, 2, 3, 4), "f")],
                {"strides": [2, 3], "pads": [1, 0, 1, 2]},
                17,
            ),
            (
                "ConvTranspose",
                [np.ones((3, 2, 3, 3), "f")],
                {"output_padding": [1, 1], "strides": [2, 2], "group": 3},
                17,
            ),
            ("MaxPool", [], {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1}, 17),
            ("AveragePool", [], {"kernel_shape": [2, 2], "pads": [1, 1, 0, 0]}, 17),
            ("GlobalAveragePool", [], {}, 17),
            ("Reshape", [np.array([0, -1, 2])], {}, 17),
            ("Flatten", [], {"axis": -2}, 17),
            ("Transpose", [], {"perm": [0, 2, 3, 1]}, 17),
            ("Transpose", [], {}, 17),
            (
                "Slice",
                [np.array([-1]), np.array([-(2**63)]), np.array([2]), np.array([-2])],
                {},
                17,
            ),
            ("Slice", [np.array([1, -4]), np.array([2**63 - 1, -1]), np.array([1, -1])], {}, 17),
            ("Slice", [], {"starts": [1], "ends": [-1], "axes": [3]}, 9),
            ("Pad", [np.array([0, 0, 1, -2, 0, 0, 3, 0])], {}, 17),
            ("Pad", [], {"pads": [0, 0, 1, 2, 0, 0, 3, 0]}, 10),
            ("Pad", [np.array([1, 2, 3, 4]), np.float32(0), np.array([-1, 1])], {}, 18),
            ("Expand", [np.array([2, 1, 1, 1])], {}, 17),
            ("Tile", [np.array([1, 2, 1, 3])], {}, 17),
            ("Gather", [np.array([[0, 1], [1, 0]])], {"axis": 2}, 17),
            ("Squeeze", [], {"axes": [0]}, 11),
            ("Squeeze", [np.array([0])], {}, 17),
            ("Unsqueeze", [], {"axes": [0, -1]}, 11),
            ("Unsqueeze", [np.array([1, 3])], {}, 17),
            ("ReduceMean", [], {"axes": [1, -1], "keepdims": 0}, 17),
            ("ReduceSum", [np.array([2])], {}, 17),
            ("ReduceMax", [], {"keepdims": 0}, 17),
            ("MatMul", [np.ones((5, 3, 9, 4), "f")[:1]], {}, 17),
            ("Add", [np.ones((2, 1, 1, 9), "f")], {}, 17),
            ("PRelu", [np.ones((3, 1, 1), "f")], {}, 17),
            ("Concat", [np.ones((1, 2, 8, 9), "f")], {"axis": -3}, 17),
            ("Resize", [np.array([], "f"), np.array([1, 1, 2, 1.5], "f")], {"mode": "nearest"}, 17),
            ("Resize", [np.array([1, 1, 2, 1.5], "f")], {"mode": "nearest"}, 10),
            ("Upsample", [np.array([1, 1, 2, 3], "f")], {"mode": "nearest"}, 9),
            ("Shape", [], {"start": 1, "end": -1}, 17),
            ("Size", [], {}, 17),
            ("Cast", [], {"to": TensorProto.FLOAT16}, 17),
            ("Split", [], {"axis": 2}, 17),
            ("Split", [np.array([1, 8])], {"axis": 3}, 17),
            ("DynamicQuantizeLinear", [], {}, 17),
            ("Dropout", [], {}, 17),
        ],
    )
    def test_as_onnxruntime(self, tmp_path, operator, inputs, attributes, opset):
        outputs = {"Split": 2, "DynamicQuantizeLinear": 3}.get(operator, 1)
        names = [f"c{at}" for at in range(len(inputs))]
        node = helper.make_node(
            operator, ["input", *names], [f"o{at}" for at in range(outputs)], **attributes
        )
        constants = [
            numpy_helper.from_array(np.asarray(v), n) for v, n in zip(inputs, names, strict=True)
        ]
        wanted, model = self.sizes([node], constants, opset, (1, 3, 8, 9))
        path = saved(tmp_path, model)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        ran = session.run(wanted, {"input": np.ones((1, 3, 8, 9), np.float32)})
        graph = read_graph(path)
        extent = measure(graph, {"input": (1, 3, 8, 9)}, NO_BOUNDS)
        assert extent.total == sum(result.size for result in ran)
        # Reshaping to the very shape is only possible where it was told right.
        for name, result in zip(wanted, ran, strict=True):
            check = helper.make_node("Add", [name, "like"], ["end"])
            like = weight("like", np.ones(result.shape), np.float32)
            _, twice = self.sizes([node, check], [*constants, like], opset, (1, 3, 8, 9))
            grown = measure(read_graph(saved(tmp_path, twice)), {"input": (1, 3, 8, 9)}, NO_BOUNDS)
            assert grown.total == extent.total + result.size

    def test_sizes_computed_from_sizes(self, tmp_path):
        """The chains that the older exporter writes without constant folding."""
        make = helper.make_node
        nodes = [
            make("Shape", ["input"], ["shape"]),
            make("Gather", ["shape", "two"], ["height"]),
            make("Cast", ["height"], ["again"], to=TensorProto.INT64),
            make("Div", ["again", "minus_three"], ["third"]),
            make("Mul", ["third", "minus_three"], ["rounded"]),
            make("Unsqueeze", ["rounded", "zero"], ["list"]),
            make("Slice", ["shape", "zero", "two_list"], ["front"]),
            make("Concat", ["front", "list", "rest"], ["sizes"], axis=0),
            make("Equal", ["sizes", "minus_one"], ["open"]),
            make("ConstantOfShape", ["four"], ["ones"], value=weight("v", [1])),
            make("Where", ["open", "ones", "sizes"], ["closed"]),
            make("Slice", ["input", "zeros", "closed"], ["cut"]),
            make("Expand", ["cut", "closed"], ["output"]),
        ]
        weights = [
            weight("two", 2),
            weight("minus_three", -3),
            weight("zero", [0]),
            weight("two_list", [2]),
            weight("rest", [-1]),
            weight("minus_one", [-1]),
            weight("four", [4]),
            weight("zeros", [0, 0, 0, 0]),
        ]
        graph = read_graph(saved(tmp_path, model_of(nodes, weights)))
        extent = measure(graph, {"input": tuple(PICTURE)}, NO_BOUNDS)
        assert extent.largest == 3 * 63  # 64 // -3 * -3 = 63; the last side was open: 1


class TestGpen:
    @pytest.mark.parametrize("half", [False, True])
    @pytest.mark.parametrize("opset", [13, 17, 18, 23])
    def test_our_own_exports(self, tmp_path, opset, half):
        path = saved(tmp_path, build_model(random_state(TINY), TINY, half, opset, {}))
        assert admit(path).interface.size == SIZE

    def test_the_bounds_are_a_few_times_what_gpen_takes(self, tmp_path, monkeypatch):
        path = saved(
            tmp_path, build_model(random_state(PUBLISHED[256]), PUBLISHED[256], False, 17, {})
        )
        seen = []
        monkeypatch.setattr(
            admission, "measure", lambda *given: seen.append(given[2]) or measure(*given)
        )
        graph = read_graph(path)
        extent = check_restoration(graph, read_interface(graph, path.name), path)
        (bounds,) = seen
        for name in ("largest", "total", "alive", "products"):
            assert 2 < getattr(bounds, name) / getattr(extent, name) < 12, name

    def test_weights_as_constants_give_the_same_picture(self, tmp_path):
        """As the older exporter writes them, with an open batch."""
        model = build_model(random_state(TINY), TINY, False, 13, {})
        crop = torch.rand(PICTURE[1:], generator=torch.Generator().manual_seed(1))
        before = load_restorer(saved(tmp_path, model), "cpu").restore(crop)
        constants = [
            helper.make_node("Constant", [], [each.name], value=each)
            for each in model.graph.initializer
        ]
        nodes = [*constants, *model.graph.node]
        del model.graph.initializer[:], model.graph.node[:]
        model.graph.node.extend(nodes)
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
        after = load_restorer(saved(tmp_path, model), "cpu").restore(crop)
        assert torch.equal(before, after)

    def test_nodes_that_were_appended_are_put_in_order(self, tmp_path):
        """As onnxruntime's own converter to float16 leaves them."""
        make = helper.make_node
        nodes = [
            make("Neg", ["b"], ["output"]),
            make("Neg", ["a"], ["b"]),
            make("Neg", ["input"], ["a"]),
        ]
        crop = torch.full(PICTURE[1:], 0.25)
        restored = load_restorer(saved(tmp_path, model_of(nodes)), "cpu").restore(crop)
        assert torch.allclose(restored, torch.full_like(crop, 0.75))
        circle = [
            make("Neg", ["b"], ["a"]),
            make("Neg", ["a"], ["b"]),
            make("Neg", ["a"], ["output"]),
        ]
        with pytest.raises(CheckpointError, match="not computed before"):
            admit(saved(tmp_path, model_of(circle)))

    def test_a_run_that_goes_on_for_too_long_is_stopped(self, tmp_path):
        identity = [helper.make_node("Identity", ["input"], ["output"])]
        loaded = load_restorer(saved(tmp_path, model_of(identity)), "cpu")
        loaded._seconds = 0.2
        loaded._session = Endless()
        with pytest.raises(GpenError, match="was stopped after"):
            loaded.restore(torch.zeros(3, SIZE, SIZE))
        assert loaded._session.stopped


class Endless:
    """A session that runs until it is told to stop."""

    stopped = False

    def get_providers(self):
        return ["CPUExecutionProvider"]

    def run(self, _outputs, _inputs, options):
        while not options.terminate:
            torch.zeros(1)
        self.stopped = True
        raise RuntimeError("terminated")


def test_changed_bytes_of_the_structure_end_in_our_own_errors(tmp_path):
    model = build_model(random_state(TINY), TINY, False, 17, {})
    names = {each.name: each for each in model.graph.initializer}
    small = [each for each in names.values() if len(each.raw_data) < 600]
    del model.graph.initializer[:]
    model.graph.initializer.extend(small)
    whole = bytearray(model.SerializeToString())
    random = np.random.default_rng(7)
    refused = 0
    for _ in range(300):
        mutant = bytearray(whole)
        for at in random.integers(0, len(whole), 4):
            mutant[at] = random.integers(0, 256)
        path = saved(tmp_path, bytes(mutant))
        for check in (admit, check_detection):
            try:
                check(path)
            except CheckpointError:
                refused += 1
    assert refused > 500
