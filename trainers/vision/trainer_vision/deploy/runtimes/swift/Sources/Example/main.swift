// Asks the model about images, or tests the package:
//     swift run Example image.jpg [more.png …] [--model ../..] [--draw out.png]
//     swift run Example --selftest [--model ../..]
// Prints one JSON object a line. Without Core ML (Linux) an image is a binary .ppm, and the network's answers are read from image.ppm.answers:
// that is how resizing and decoding are tested there.
import Foundation
import ModelWrapper

struct Recorded: Engine, Codable {
    struct Output: Codable { let shape: [Int], values: [Float], whole: Bool }
    let input: [Float], outputs: [String: Output]

    /// The recorded answers hold only for the input that was recorded.
    func run(_ given: Input, inputName: String, outputNames: [String]) throws -> [Tensor] {
        let values = given.floats ?? given.bytes!.map(Float.init)
        let worst = values.count == input.count ? zip(values, input).map { abs($0 - $1) }.max() ?? 0 : .infinity
        let step: Float = given.bytes == nil && (input.max() ?? 0) <= 16 ? 0.02 : 1.01
        guard worst <= step else { throw WrapperError("the input differs from the recorded one by \(worst)") }
        return try outputNames.map { name in
            guard let output = outputs[name] else { throw WrapperError("no output \(name) was recorded") }
            return Tensor(shape: output.shape, values: output.values, wholeNumbers: output.whole)
        }
    }
}

func readPpm(_ file: URL) throws -> Picture {
    let data = [UInt8](try Data(contentsOf: file))
    let head = data.prefix(64).split(separator: 10, maxSplits: 3)
    guard head.count == 4, head[0] == [80, 54], let size = String(bytes: head[1], encoding: .ascii)?.split(separator: " ").compactMap({ Int($0) }), size.count == 2, data.count >= size[0] * size[1] * 3 else {
        throw WrapperError("\(file.path) is no binary .ppm")
    }
    return Picture(width: size[0], height: size[1], rgb: Array(data.suffix(size[0] * size[1] * 3)))
}

func read(_ file: URL) throws -> Picture {
    #if canImport(ImageIO)
    return try Picture(contentsOf: file)
    #else
    return try readPpm(file)
    #endif
}

func engine(_ package: URL, _ image: URL) throws -> Engine {
    #if canImport(CoreML)
    return try CoreMLEngine(package.appendingPathComponent("model.mlpackage"))
    #else
    return try JSONDecoder().decode(Recorded.self, from: Data(contentsOf: image.appendingPathExtension("answers")))
    #endif
}

func run(_ arguments: [String]) throws -> Int32 {
    func value(_ flag: String) -> String? { arguments.firstIndex(of: flag).flatMap { arguments.indices.contains($0 + 1) ? arguments[$0 + 1] : nil } }
    let package = URL(fileURLWithPath: value("--model") ?? "../..")
    let images = arguments.enumerated().filter { i, text in !text.hasPrefix("--") && (i == 0 || !["--model", "--draw"].contains(arguments[i - 1])) }.map(\.element)
    if arguments.contains("--selftest") {
        let golden = package.appendingPathComponent("golden/image.png")
        let wrong = try ModelWrapper(folder: package, engine: engine(package, golden)).selftest(read: read)
        for text in wrong { FileHandle.standardError.write("selftest: \(text)\n".data(using: .utf8)!) }
        print("selftest \(wrong.isEmpty ? "passed" : "FAILED") on the golden image")
        return wrong.isEmpty ? 0 : 1
    }
    guard !images.isEmpty else { throw WrapperError("name an image, or --selftest") }
    var failed: Int32 = 0
    for name in images {
        do {
            let file = URL(fileURLWithPath: name), picture = try read(file)
            let answer = try ModelWrapper(folder: package, engine: engine(package, file)).predict(picture)
            print(String(decoding: try JSONEncoder().encode(Said(answer)), as: UTF8.self))
            if let out = value("--draw") { try ppm(drawn(picture, answer)).write(to: URL(fileURLWithPath: out)) }
        } catch {
            FileHandle.standardError.write("error: \(error)\n".data(using: .utf8)!)
            failed = 1
        }
    }
    return failed
}

/// The image with masks, boxes and keypoints.
func drawn(_ picture: Picture, _ answer: Answer) -> Picture {
    var out = picture
    func dot(_ x: Int, _ y: Int, _ colour: [UInt8], _ share: Float = 1) {
        guard x >= 0, y >= 0, x < out.width, y < out.height else { return }
        for c in 0..<3 { out.rgb[(y * out.width + x) * 3 + c] = UInt8(Float(out.rgb[(y * out.width + x) * 3 + c]) * (1 - share) + Float(colour[c]) * share) }
    }
    let palette: [[UInt8]] = [[230, 25, 75], [60, 180, 75], [67, 99, 216], [245, 130, 49], [145, 30, 180]]
    for found in answer.objects {
        let colour = palette[found.classIndex % palette.count], box = found.bbox.map { Int($0) }
        if let mask = found.mask { for (i, inside) in mask.inside.enumerated() where inside { dot(mask.left + i % mask.width, mask.top + i / mask.width, colour, 0.4) } }
        for x in box[0]...max(box[0], box[2]) { dot(x, box[1], colour); dot(x, box[3], colour) }
        for y in box[1]...max(box[1], box[3]) { dot(box[0], y, colour); dot(box[2], y, colour) }
        for point in found.keypoints { for i in 0..<25 { dot(Int(point[0]) + i % 5 - 2, Int(point[1]) + i / 5 - 2, colour) } }
    }
    return out
}

func ppm(_ picture: Picture) -> Data { Data("P6\n\(picture.width) \(picture.height)\n255\n".utf8) + Data(picture.rgb) }

do {
    exit(try run(Array(CommandLine.arguments.dropFirst())))
} catch {
    FileHandle.standardError.write("error: \(error)\n".data(using: .utf8)!)
    exit(1)
}
