// metadata.json as the wrapper uses it.
import Foundation

/// What is wrong with the package, the image or the machine, and what helps.
public struct WrapperError: Error, CustomStringConvertible {
    public let description: String
    public init(_ text: String) { description = text }
}

/// A JSON value whose kind nobody knows before: a platform's class id.
public enum Identifier: Codable, Equatable {
    case number(Int), text(String)
    public init(from decoder: Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let number = try? value.decode(Int.self) { self = .number(number) } else { self = .text(try value.decode(String.self)) }
    }
    public func encode(to encoder: Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .number(let number): try value.encode(number)
        case .text(let text): try value.encode(text)
        }
    }
}

public struct Metadata: Decodable {
    public struct Model: Decodable { public let task: String, file: String, format: String }
    public struct Class: Decodable { public let index: Int, id: Identifier?, name: String }
    public struct Input: Decodable { public let name: String, layout: String, dtype: String, shape: [Int], color: String? }
    public struct Resize: Decodable {
        public let mode: String, width: Int, height: Int, resize_shortest: Int?, kernel: String, antialias: Bool?, pad_value: Int?, pad_side: String?
    }
    public struct Preprocess: Decodable { public let included: Bool, resize: Resize, scale: [Float], mean: [Float], std: [Float] }
    public struct Output: Decodable { public let name: String, kind: String }
    public struct Postprocess: Decodable {
        public let included: Bool, conf_threshold: Float?, iou_threshold: Float?, max_detections: Int?, box_format: String?, box_space: String?
        public let activation: String?, mask_threshold: Float?, keypoint_shape: [Int]?
    }
    public let schema_version: Int
    public let model: Model
    public let classes: [Class]
    public let input: Input
    public let preprocess: Preprocess
    public let outputs: [Output]
    public let postprocess: Postprocess

    static let schema = 1
    static let mostBytes = 16 << 20

    public static func load(_ file: URL) throws -> Metadata {
        guard let data = try? Data(contentsOf: file), data.count <= mostBytes else { throw WrapperError("\(file.path) cannot be read, or is larger than 16 MB: unpack the whole package") }
        let metadata: Metadata
        do { metadata = try JSONDecoder().decode(Metadata.self, from: data) } catch { throw WrapperError("\(file.path) is no metadata that this wrapper reads: \(error)") }
        guard metadata.schema_version == schema else { throw WrapperError("\(file.path) has schema \(metadata.schema_version), this wrapper reads \(schema): take the wrapper of the same package") }
        guard ["detect", "segment", "pose", "classify"].contains(metadata.model.task) else { throw WrapperError("the model's task is \(metadata.model.task); this wrapper answers detect, segment, pose and classify") }
        let to = metadata.preprocess.resize
        guard ["letterbox", "stretch", "shortest_crop"].contains(to.mode), (1...16384).contains(to.width), (1...16384).contains(to.height) else { throw WrapperError("\(file.path): preprocess.resize is none that this wrapper knows") }
        guard metadata.preprocess.scale.count == 3, metadata.preprocess.mean.count == 3, metadata.preprocess.std.count == 3, metadata.input.shape.count >= 3 else { throw WrapperError("\(file.path): preprocess or input.shape is incomplete") }
        return metadata
    }

    /// Whether an image of any size goes in.
    var freeSize: Bool {
        let height = input.layout == "HWC" ? 0 : input.layout == "NHWC" ? 1 : 2
        return input.shape[height] == -1 || input.shape[height + 1] == -1
    }

    var sortedClasses: [Class] { classes.sorted { $0.index < $1.index } }
}
