// Answers as JSON, and the comparison of two of them.
import Foundation

public struct Runs: Codable { public let size: [Int], counts: [Int] }

/// An answer as every wrapper of the package prints it.
public struct Said: Codable {
    public struct Object: Codable {
        public let class_index: Int, class_id: Identifier?, class_name: String?, confidence: Float, bbox: [Float], keypoints: [[Float]]?, mask: Runs?
    }
    public let width: Int?, height: Int?, objects: [Object]?, probabilities: [Float]?

    public init(_ answer: Answer) {
        (width, height, probabilities) = (answer.width, answer.height, answer.probabilities)
        objects = answer.probabilities != nil ? nil : answer.objects.map { found in
            Object(
                class_index: found.classIndex, class_id: found.classId, class_name: found.className, confidence: found.confidence, bbox: found.bbox,
                keypoints: found.keypoints.isEmpty ? nil : found.keypoints, mask: found.mask.map { Runs(size: [answer.height, answer.width], counts: runs($0, answer.width, answer.height)) }
            )
        }
    }
}

/// golden/answer.json.
public struct Golden: Decodable {
    struct Tolerance: Decodable { let pixels: Float?, score: Float?, probability: Float?, mask_iou: Float? }
    let image: String, objects: [Said.Object]?, probabilities: [Float]?, tolerance: Tolerance?
}

/// COCO's uncompressed runs: column by column, beginning with zeros.
private func runs(_ mask: Mask, _ width: Int, _ height: Int) -> [Int] {
    var counts: [Int] = [], inside = false, length = 0
    for x in 0..<width {
        for y in 0..<height {
            let within = x >= mask.left && x < mask.left + mask.width && y >= mask.top && y < mask.top + mask.height
            let value = within && mask.inside[(y - mask.top) * mask.width + x - mask.left]
            if value != inside {
                counts.append(length)
                (inside, length) = (value, 0)
            }
            length += 1
        }
    }
    return counts + [length]
}

private func pixels(_ mask: Runs) -> [Bool] {
    let size = mask.size.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
    var out: [Bool] = []
    for (i, count) in mask.counts.enumerated() where count >= 0 && count <= size - out.count { out += [Bool](repeating: i % 2 == 1, count: count) }
    return out
}

private func worst(_ a: [Float], _ b: [Float]) -> Float { a.count == b.count ? zip(a, b).map { abs($0 - $1) }.max() ?? 0 : .infinity }

/// Differences beyond the tolerance that the expected answer names.
func compare(_ want: Golden, _ got: Said) -> [String] {
    let bound = want.tolerance
    if let probabilities = want.probabilities {
        let difference = worst(probabilities, got.probabilities ?? [])
        return difference <= bound?.probability ?? 0.001 ? [] : ["a probability differs by \(difference)"]
    }
    let wanted = want.objects ?? []
    var left = got.objects ?? [], wrong: [String] = []
    if wanted.count != left.count { wrong.append("\(wanted.count) objects expected, \(left.count) found") }
    for (i, object) in wanted.enumerated() {
        let same = left.indices.filter { left[$0].class_index == object.class_index }
        guard let best = same.max(by: { iou(object.bbox, left[$0].bbox) < iou(object.bbox, left[$1].bbox) }) else {
            wrong.append("object \(i): none of its class found")
            continue
        }
        wrong += compare(object, left.remove(at: best), bound).map { "object \(i): \($0)" }
    }
    return wrong
}

private func compare(_ want: Said.Object, _ got: Said.Object, _ bound: Golden.Tolerance?) -> [String] {
    var wrong: [String] = []
    func limit(_ value: Float, _ most: Float, _ what: String) { if !(value <= most) { wrong.append("\(what) differs by \(value), more than \(most)") } }
    limit(worst(want.bbox, got.bbox), bound?.pixels ?? 0.5, "the box")
    limit(abs(want.confidence - got.confidence), bound?.score ?? 0.01, "the confidence")
    for (i, point) in (want.keypoints ?? []).enumerated() {
        let other = got.keypoints.flatMap { $0.indices.contains(i) ? $0[i] : nil } ?? []
        limit(worst(Array(point.prefix(2)), Array(other.prefix(2))), bound?.pixels ?? 0.5, "a keypoint")
    }
    if let mask = want.mask {
        let pairs = Array(zip(pixels(mask), got.mask.map(pixels) ?? []))
        let any = pairs.filter { $0 || $1 }.count, both = pairs.filter { $0 && $1 }.count
        let shared = got.mask == nil ? 0 : any == 0 ? 1 : Float(both) / Float(any)
        if !(shared >= bound?.mask_iou ?? 0.95) { wrong.append("the masks share \(shared)") }
    }
    return wrong
}
