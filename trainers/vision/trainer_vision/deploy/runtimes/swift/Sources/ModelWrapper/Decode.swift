// From the answers of an engine to objects or probabilities.
import Foundation

private let candidates = 30000  // boxes that suppression looks at, best first

/// An answer of an engine, brought to float.
public struct Tensor {
    public let shape: [Int], values: [Float], wholeNumbers: Bool
    public init(shape: [Int], values: [Float], wholeNumbers: Bool = false) {
        self.shape = shape
        self.values = values
        self.wholeNumbers = wholeNumbers
    }
}

/// Which pixels of an image belong to an object: a rectangle of them.
public struct Mask { public let left: Int, top: Int, width: Int, height: Int, inside: [Bool] }

/// One object; bbox is x1, y1, x2, y2 in pixels of the upright image, a keypoint x, y and confidence.
public struct Detection {
    public let bbox: [Float], confidence: Float, classIndex: Int, classId: Identifier?, className: String, keypoints: [[Float]], mask: Mask?
}

/// Objects, or of a classifier one probability a class.
public struct Answer { public let width: Int, height: Int, objects: [Detection], probabilities: [Float]? }

/// Where the image lies in the model's input: input = image * scale + offset.
public struct Placement { var scaleX = 1.0, scaleY = 1.0, offsetX = 0.0, offsetY = 0.0 }

private struct Row { var box: [Float], score: Float, index: Int, keypoints: ArraySlice<Float>?, coefficients: ArraySlice<Float>?, mask: ArraySlice<Float>? }

/// given: where the image lies in what went into the model; seen: in what the network itself sees, to which prototypes belong.
struct AnswerDecoder {
    let metadata: Metadata
    let classes: [Metadata.Class]
    var rules: Metadata.Postprocess { metadata.postprocess }

    init(_ metadata: Metadata) {
        self.metadata = metadata
        classes = metadata.sortedClasses
    }

    func decode(_ tensors: [Tensor], given: Placement, seen: Placement, width: Int, height: Int) throws -> Answer {
        guard tensors.count == metadata.outputs.count else { throw WrapperError("the model has \(tensors.count) outputs, metadata.json names \(metadata.outputs.count)") }
        var found = Dictionary(uniqueKeysWithValues: zip(metadata.outputs.map(\.kind), tensors))
        if let values = found["probabilities"]?.values { return Answer(width: width, height: height, objects: [], probabilities: values) }
        if let values = found["logits"]?.values { return Answer(width: width, height: height, objects: [], probabilities: activated(values, rules.activation)) }
        let rows: [Row]
        if rules.included {
            rows = try ready(found)
        } else if let raw = found["raw"], rules.box_format == "xyxy_score_class" {
            rows = try chosen(raw, masks: found["mask_prototypes"] != nil)
        } else if let raw = found["raw"] {
            found.merge(try split(raw)) { _, new in new }
            rows = try rough(found, centreSize: true)
        } else {
            rows = try rough(found, centreSize: rules.box_format == "cxcywh")
        }
        return Answer(width: width, height: height, objects: try rows.map { try detection($0, found, given, seen, width, height) }, probabilities: nil)
    }

    /// Rows that the graph chose; those without a score are padding.
    private func ready(_ found: [String: Tensor]) throws -> [Row] {
        let boxes = try need(found, "boxes").values, scores = try need(found, "scores").values, classes = try need(found, "classes").values
        guard boxes.count == 4 * scores.count, classes.count == scores.count else { throw WrapperError("the model gives different numbers of boxes, scores and classes") }
        let used = found["count"].map { min(scores.count, Int($0.values.first ?? 0)) } ?? scores.count
        return (0..<used).filter { scores[$0] > 0 }.map { i in
            Row(box: corners(boxes, 4 * i, rules.box_format == "cxcywh"), score: scores[i], index: Int(classes[i]), keypoints: part(found["keypoints"], i, scores.count), coefficients: part(found["mask_coefficients"], i, scores.count), mask: part(found["masks"], i, scores.count))
        }
    }

    /// All that the network proposes; suppression is ours.
    private func rough(_ found: [String: Tensor], centreSize: Bool) throws -> [Row] {
        let boxes = try need(found, "boxes").values, scores = try need(found, "scores").values
        let count = boxes.count / 4, wide = classes.count
        guard scores.count == count * wide else { throw WrapperError("the model gives \(scores.count) scores for \(count) boxes and \(wide) classes") }
        return suppressed((0..<count).map { i in
            let each = activated(Array(scores[i * wide..<(i + 1) * wide]), rules.activation)
            let best = each.indices.max { each[$0] < each[$1] } ?? 0
            return Row(box: corners(boxes, 4 * i, centreSize), score: each[best], index: best, keypoints: part(found["keypoints"], i, count), coefficients: part(found["mask_coefficients"], i, count), mask: nil)
        })
    }

    private func suppressed(_ rows: [Row]) -> [Row] {
        let ordered = rows.filter { $0.score > rules.conf_threshold ?? 0 }.enumerated().sorted { ($0.element.score, $1.offset) > ($1.element.score, $0.offset) }.map(\.element)
        var kept: [Row] = []
        for row in ordered.prefix(candidates) where kept.count < rules.max_detections ?? 300 {
            if !kept.contains(where: { $0.index == row.index && iou($0.box, row.box) > rules.iou_threshold ?? 1 }) { kept.append(row) }
        }
        return kept
    }

    /// Rows of a head that needs no suppression: box, score, class, and what rides along.
    private func chosen(_ raw: Tensor, masks: Bool) throws -> [Row] {
        guard let fields = raw.shape.last, fields >= 6 else { throw WrapperError("the model's raw output has fewer than six values a row") }
        let starts = stride(from: 0, to: raw.values.count - fields + 1, by: fields).filter { raw.values[$0 + 4] > rules.conf_threshold ?? 0 }
        return starts.prefix(rules.max_detections ?? 300).map { at in
            let more = fields > 6 ? raw.values[at + 6..<at + fields] : nil
            let points = rules.keypoint_shape != nil
            return Row(box: corners(raw.values, at, false), score: raw.values[at + 4], index: Int(raw.values[at + 5]), keypoints: points ? more : nil, coefficients: !points && masks ? more : nil, mask: nil)
        }
    }

    /// A raw output has a column a candidate: centre, size, scores, and what rides along.
    private func split(_ raw: Tensor) throws -> [String: Tensor] {
        let fields = raw.shape.dropLast().last ?? 0, count = raw.shape.last ?? 0, ends = 4 + classes.count
        guard fields >= ends, fields * count == raw.values.count else { throw WrapperError("the model's raw output has fewer rows than classes") }
        func columns(_ from: Int, _ to: Int) -> Tensor {
            Tensor(shape: [count, to - from], values: (0..<count * (to - from)).map { raw.values[(from + $0 % (to - from)) * count + $0 / (to - from)] })
        }
        var parts = ["boxes": columns(0, 4), "scores": columns(4, ends)]
        if fields > ends { parts[rules.keypoint_shape != nil ? "keypoints" : "mask_coefficients"] = columns(ends, fields) }
        return parts
    }

    private func detection(_ row: Row, _ found: [String: Tensor], _ given: Placement, _ seen: Placement, _ width: Int, _ height: Int) throws -> Detection {
        guard classes.indices.contains(row.index) else { throw WrapperError("the model answers with class \(row.index), metadata.json has \(classes.count)") }
        let moved = rules.box_space == "input"
        func x(_ v: Float) -> Float { min(max(moved ? Float((Double(v) - given.offsetX) / given.scaleX) : v, 0), Float(width)) }
        func y(_ v: Float) -> Float { min(max(moved ? Float((Double(v) - given.offsetY) / given.scaleY) : v, 0), Float(height)) }
        let box = [x(row.box[0]), y(row.box[1]), x(row.box[2]), y(row.box[3])]
        var points: [[Float]] = []
        if let values = row.keypoints.map(Array.init), let shape = rules.keypoint_shape {
            points = (0..<shape[0]).map { [x(values[$0 * shape[1]]), y(values[$0 * shape[1] + 1]), shape[1] > 2 ? values[$0 * shape[1] + 2] : 1] }
        }
        var mask: Mask?
        if let values = row.mask.map(Array.init) { mask = wholeMask(values, try need(found, "masks")) } else if let values = row.coefficients.map(Array.init) { mask = maskOf(values, try need(found, "mask_prototypes"), box, seen) }
        let known = classes[row.index]
        return Detection(bbox: box, confidence: row.score, classIndex: row.index, classId: known.id, className: known.name, keypoints: points, mask: mask)
    }

    /// A mask that the graph made, in pixels of the image.
    private func wholeMask(_ values: [Float], _ masks: Tensor) -> Mask {
        let threshold = masks.wholeNumbers ? 0 : rules.mask_threshold ?? 0.5
        return Mask(left: 0, top: 0, width: masks.shape[masks.shape.count - 1], height: masks.shape[masks.shape.count - 2], inside: values.map { $0 > threshold })
    }

    /// The prototypes' sum, sampled bilinearly at the centre of every pixel inside the box.
    private func maskOf(_ coefficients: [Float], _ prototypes: Tensor, _ box: [Float], _ seen: Placement) -> Mask {
        let h = prototypes.shape[prototypes.shape.count - 2], w = prototypes.shape[prototypes.shape.count - 1]
        var logits = [Float](repeating: 0, count: h * w)
        for m in 0..<prototypes.values.count / logits.count {
            for i in logits.indices { logits[i] += coefficients[m] * prototypes.values[m * logits.count + i] }
        }
        let t = rules.mask_threshold ?? 0.5, threshold = log(t / (1 - t))
        let left = Int(box[0].rounded(.up)), top = Int(box[1].rounded(.up))
        let width = max(0, Int(box[2].rounded(.up)) - left), height = max(0, Int(box[3].rounded(.up)) - top)
        let to = metadata.preprocess.resize
        let rows = (0..<height).map { Between((seen.scaleY * (Double(top + $0) + 0.5) + seen.offsetY) * Double(h) / Double(to.height) - 0.5, h) }
        let columns = (0..<width).map { Between((seen.scaleX * (Double(left + $0) + 0.5) + seen.offsetX) * Double(w) / Double(to.width) - 0.5, w) }
        var inside: [Bool] = []
        inside.reserveCapacity(width * height)
        for row in rows {
            for column in columns {
                let a = logits[row.low * w + column.low] * (1 - row.part) + logits[row.high * w + column.low] * row.part
                let b = logits[row.low * w + column.high] * (1 - row.part) + logits[row.high * w + column.high] * row.part
                inside.append(a * (1 - column.part) + b * column.part > threshold)
            }
        }
        return Mask(left: left, top: top, width: width, height: height, inside: inside)
    }
}

/// Two neighbours of a place and how far it is from the first.
private struct Between {
    let low: Int, high: Int, part: Float
    init(_ place: Double, _ size: Int) {
        let at = min(max(place, 0), Double(size - 1))
        low = Int(at)
        high = min(low + 1, size - 1)
        part = Float(at - Double(low))
    }
}

private func need(_ found: [String: Tensor], _ kind: String) throws -> Tensor {
    guard let tensor = found[kind] else { throw WrapperError("metadata.json names no output of the kind \(kind)") }
    return tensor
}

private func part(_ tensor: Tensor?, _ i: Int, _ count: Int) -> ArraySlice<Float>? {
    tensor.map { $0.values[i * ($0.values.count / count)..<(i + 1) * ($0.values.count / count)] }
}

private func corners(_ v: [Float], _ at: Int, _ centreSize: Bool) -> [Float] {
    if !centreSize { return Array(v[at..<at + 4]) }
    return [v[at] - v[at + 2] / 2, v[at + 1] - v[at + 3] / 2, v[at] + v[at + 2] / 2, v[at + 1] + v[at + 3] / 2]
}

func iou(_ a: [Float], _ b: [Float]) -> Float {
    let shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    let areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / max(areas - shared, 1e-9)
}

private func activated(_ values: [Float], _ activation: String?) -> [Float] {
    if activation == "sigmoid" { return values.map { 1 / (1 + exp(-$0)) } }
    guard activation == "softmax", let most = values.max() else { return values }
    let powers = values.map { exp($0 - most) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
}
