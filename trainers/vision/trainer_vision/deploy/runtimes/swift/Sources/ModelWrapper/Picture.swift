// Pixels, and resizing them with the frameworks' arithmetic. Nothing here needs an Apple framework.
import Foundation

/// RGB of 8 bits a channel, row by row, upright.
public struct Picture {
    public let width: Int, height: Int
    public var rgb: [UInt8]
    public init(width: Int, height: Int, rgb: [UInt8]) {
        self.width = width
        self.height = height
        self.rgb = rgb
    }

    /// With antialiasing as Pillow does it, without as OpenCV does: half-pixel centres.
    func resampled(_ newWidth: Int, _ newHeight: Int, bicubic: Bool, antialias: Bool) -> Picture {
        if newWidth == width && newHeight == height { return self }
        let rounded = antialias || bicubic  // Pillow rounds between its two passes
        let columns = taps(width, newWidth, bicubic, antialias), rows = taps(height, newHeight, bicubic, antialias)
        var middle = [Float](repeating: 0, count: height * newWidth * 3)
        for y in 0..<height {
            for x in 0..<newWidth {
                for c in 0..<3 {
                    var sum: Float = 0
                    for (k, weight) in columns[x].weights.enumerated() { sum += weight * Float(rgb[(y * width + columns[x].first + k) * 3 + c]) }
                    middle[(y * newWidth + x) * 3 + c] = rounded ? byte(sum) : sum
                }
            }
        }
        let stride = newWidth * 3
        var out = [UInt8](repeating: 0, count: newHeight * stride)
        for y in 0..<newHeight {
            for i in 0..<stride {
                var sum: Float = 0
                for (k, weight) in rows[y].weights.enumerated() { sum += weight * middle[(rows[y].first + k) * stride + i] }
                out[y * stride + i] = UInt8(byte(sum))
            }
        }
        return Picture(width: newWidth, height: newHeight, rgb: out)
    }

    /// On a canvas, with its left top corner at a place that may lie outside.
    func placed(_ canvasWidth: Int, _ canvasHeight: Int, left: Int, top: Int, fill: UInt8) -> Picture {
        var out = [UInt8](repeating: fill, count: canvasWidth * canvasHeight * 3)
        let from = max(0, left), to = min(canvasWidth, left + width)
        guard from < to else { return Picture(width: canvasWidth, height: canvasHeight, rgb: out) }
        for y in max(0, top)..<max(max(0, top), min(canvasHeight, top + height)) {
            let row = (y - top) * width
            out.replaceSubrange((y * canvasWidth + from) * 3..<(y * canvasWidth + to) * 3, with: rgb[(row + from - left) * 3..<(row + to - left) * 3])
        }
        return Picture(width: canvasWidth, height: canvasHeight, rgb: out)
    }
}

/// One pixel of the result along one axis: which pixels it is made of.
private struct Tap { let first: Int, weights: [Float] }

private func weight(_ distance: Double, _ bicubic: Bool) -> Double {
    let x = abs(distance), a = -0.5
    if !bicubic { return max(0, 1 - x) }
    if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0
}

private func taps(_ old: Int, _ new: Int, _ bicubic: Bool, _ antialias: Bool) -> [Tap] {
    let scale = Double(old) / Double(new)
    if !antialias && !bicubic {
        return (0..<new).map { i in
            let at = min(max((Double(i) + 0.5) * scale - 0.5, 0), Double(old - 1))
            let low = Int(at), part = Float(at - Double(low))
            return low + 1 < old ? Tap(first: low, weights: [1 - part, part]) : Tap(first: low, weights: [1])
        }
    }
    let widened = max(scale, 1), support = (bicubic ? 2 : 1) * widened
    return (0..<new).map { i in
        let centre = (Double(i) + 0.5) * scale
        let first = max(0, Int(centre - support + 0.5)), last = min(old, Int(centre + support + 0.5))
        let weights = (first..<last).map { weight((Double($0) - centre + 0.5) / widened, bicubic) }
        let sum = weights.reduce(0, +)
        return Tap(first: first, weights: weights.map { Float($0 / sum) })
    }
}

private func byte(_ value: Float) -> Float { min(max(value.rounded(.toNearestOrEven), 0), 255) }
