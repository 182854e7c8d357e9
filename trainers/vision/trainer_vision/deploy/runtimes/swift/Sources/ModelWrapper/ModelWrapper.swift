// Runs an exported model as its metadata.json says, from pixels to boxes, masks, keypoints or probabilities.
//
//     let model = try ModelWrapper(folder: package, engine: CoreMLEngine(package.appendingPathComponent("model.mlpackage")))
//     for found in try model.predict(picture).objects { print(found.className, found.confidence) }
//
// Everything about the model stands in metadata.json; nothing here knows a framework.
import Foundation

/// The input of a model: bytes or floats, as metadata.json says.
public struct Input { public let shape: [Int], bytes: [UInt8]?, floats: [Float]? }

/// What a runtime does for the wrapper; the answers come in the order of the names.
public protocol Engine {
    func run(_ input: Input, inputName: String, outputNames: [String]) throws -> [Tensor]
}

public final class ModelWrapper {
    public let metadata: Metadata
    private let folder: URL
    private let engine: Engine
    private let decoder: AnswerDecoder

    public init(folder: URL, engine: Engine) throws {
        self.folder = folder
        self.engine = engine
        metadata = try Metadata.load(folder.appendingPathComponent("metadata.json"))
        decoder = AnswerDecoder(metadata)
    }

    public func predict(_ picture: Picture) throws -> Answer {
        let to = metadata.preprocess.resize
        let plan = Plan(to, picture.width, picture.height)
        let untouched = metadata.preprocess.included && metadata.freeSize
        let ready = untouched ? picture : picture.resampled(plan.width, plan.height, bicubic: to.kernel == "bicubic", antialias: to.antialias ?? false)
            .placed(to.width, to.height, left: plan.left, top: plan.top, fill: UInt8(to.mode == "letterbox" ? to.pad_value ?? 0 : 0))
        let answers = try engine.run(input(ready), inputName: metadata.input.name, outputNames: metadata.outputs.map(\.name))
        return try decoder.decode(answers, given: untouched ? Placement() : plan.placement, seen: plan.placement, width: picture.width, height: picture.height)
    }

    /// What differs from the trainer's answer for the golden image; nothing when all is well.
    public func selftest(read: (URL) throws -> Picture) throws -> [String] {
        let golden = folder.appendingPathComponent("golden")
        let expected = try JSONDecoder().decode(Golden.self, from: Data(contentsOf: golden.appendingPathComponent("answer.json")))
        return compare(expected, Said(try predict(read(golden.appendingPathComponent((expected.image as NSString).lastPathComponent)))))
    }

    /// Pixels as the model takes them.
    private func input(_ picture: Picture) -> Input {
        let spec = metadata.input, rules = metadata.preprocess, pixels = picture.width * picture.height
        let planes = spec.layout == "NCHW", whole = spec.dtype == "uint8"
        let shape = spec.layout == "HWC" ? [picture.height, picture.width, 3] : planes ? [1, 3, picture.height, picture.width] : [1, picture.height, picture.width, 3]
        var bytes = [UInt8](repeating: 0, count: whole ? pixels * 3 : 0), floats = [Float](repeating: 0, count: whole ? 0 : pixels * 3)
        for i in 0..<pixels {
            for c in 0..<3 {
                let from = spec.color == "BGR" ? 2 - c : c, to = planes ? c * pixels + i : i * 3 + c
                let value = picture.rgb[i * 3 + from]
                if whole { bytes[to] = value } else { floats[to] = rules.included ? Float(value) : (Float(value) * rules.scale[from] - rules.mean[from]) / rules.std[from] }
            }
        }
        return Input(shape: shape, bytes: whole ? bytes : nil, floats: whole ? nil : floats)
    }
}

/// Where an image goes in the input, and its size there.
struct Plan {
    var placement = Placement(), width = 0, height = 0, left = 0, top = 0

    init(_ to: Metadata.Resize, _ imageWidth: Int, _ imageHeight: Int) {
        let w = Double(imageWidth), h = Double(imageHeight)
        func halfEven(_ value: Double) -> Int { Int(value.rounded(.toNearestOrEven)) }
        if to.mode == "stretch" {
            (width, height) = (to.width, to.height)
            placement = Placement(scaleX: Double(to.width) / w, scaleY: Double(to.height) / h)
            return
        }
        if to.mode == "letterbox" {
            let ratio = min(Double(to.width) / w, Double(to.height) / h)
            (width, height) = (max(1, halfEven(w * ratio)), max(1, halfEven(h * ratio)))
            if to.pad_side != "top_left" { (left, top) = (halfEven(Double(to.width - width) / 2 - 0.1), halfEven(Double(to.height - height) / 2 - 0.1)) }
            placement = Placement(scaleX: Double(width) / w, scaleY: Double(height) / h, offsetX: Double(left), offsetY: Double(top))
            return
        }
        let shortest = to.resize_shortest ?? min(to.width, to.height)
        width = imageWidth <= imageHeight ? shortest : Int(Double(shortest) * w / h)
        height = imageWidth <= imageHeight ? Int(Double(shortest) * h / w) : shortest
        (left, top) = (-halfEven(Double(width - to.width) / 2), -halfEven(Double(height - to.height) / 2))
        placement = Placement(scaleX: Double(width) / w, scaleY: Double(height) / h, offsetX: Double(left), offsetY: Double(top))
    }
}
