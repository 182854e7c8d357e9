// Core ML, on Apple's systems.
#if canImport(CoreML)
import CoreML
import Foundation

public final class CoreMLEngine: Engine {
    private let model: MLModel

    /// A .mlpackage, which is compiled first, or a compiled .mlmodelc.
    public init(_ file: URL) throws {
        let compiled = file.pathExtension == "mlmodelc" ? file : try MLModel.compileModel(at: file)
        model = try MLModel(contentsOf: compiled)
    }

    /// Core ML takes no bytes: they go in as floats.
    public func run(_ input: Input, inputName: String, outputNames: [String]) throws -> [Tensor] {
        let array = try MLMultiArray(shape: input.shape.map(NSNumber.init), dataType: .float32)
        let values = input.floats ?? input.bytes?.map(Float.init) ?? []
        let pointer = array.dataPointer.bindMemory(to: Float.self, capacity: values.count)
        values.withUnsafeBufferPointer { pointer.update(from: $0.baseAddress!, count: values.count) }
        let answer = try model.prediction(from: MLDictionaryFeatureProvider(dictionary: [inputName: MLFeatureValue(multiArray: array)]))
        return try outputNames.map { name in
            guard let found = answer.featureValue(for: name)?.multiArrayValue else { throw WrapperError("the model has no output \(name)") }
            let whole = found.dataType == .int32
            return Tensor(shape: found.shape.map(\.intValue), values: (0..<found.count).map { found[$0].floatValue }, wholeNumbers: whole)
        }
    }
}
#endif

#if canImport(ImageIO) && canImport(CoreGraphics)
import CoreGraphics
import ImageIO

extension Picture {
    /// Upright RGB: EXIF orientation is applied by ImageIO's thumbnail at full size.
    public init(contentsOf file: URL) throws {
        guard let source = CGImageSourceCreateWithURL(file as CFURL, nil),
            let properties = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any],
            let wide = properties[kCGImagePropertyPixelWidth] as? Int, let high = properties[kCGImagePropertyPixelHeight] as? Int,
            let image = CGImageSourceCreateThumbnailAtIndex(source, 0, [
                kCGImageSourceCreateThumbnailFromImageAlways: true, kCGImageSourceCreateThumbnailWithTransform: true, kCGImageSourceThumbnailMaxPixelSize: max(wide, high),
            ] as CFDictionary)
        else { throw WrapperError("the image \(file.path) cannot be read") }
        var rgba = [UInt8](repeating: 0, count: image.width * image.height * 4)
        let drawn = rgba.withUnsafeMutableBytes { bytes -> Bool in
            guard let context = CGContext(data: bytes.baseAddress, width: image.width, height: image.height, bitsPerComponent: 8, bytesPerRow: image.width * 4, space: CGColorSpaceCreateDeviceRGB(), bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue) else { return false }
            context.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
            return true
        }
        guard drawn else { throw WrapperError("the image \(file.path) cannot be drawn") }
        self.init(width: image.width, height: image.height, rgb: (0..<image.width * image.height).flatMap { rgba[$0 * 4..<$0 * 4 + 3] })
    }
}
#endif
