// Pixels, and resizing them with the frameworks' arithmetic. Nothing here needs Android or a desktop.
package modelwrapper

import kotlin.math.abs
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round

/** RGB of 8 bits a channel, row by row, upright. Of an Android Bitmap: `Picture.fromArgb(width, height, pixels)` after getPixels. */
class Picture(val width: Int, val height: Int, val rgb: ByteArray) {
    companion object {
        fun fromArgb(width: Int, height: Int, pixels: IntArray): Picture {
            val rgb = ByteArray(pixels.size * 3)
            for (i in pixels.indices) for (c in 0..2) rgb[i * 3 + c] = (pixels[i] shr (16 - 8 * c)).toByte()
            return Picture(width, height, rgb)
        }
    }

    /** Upright, by an EXIF orientation from 1 to 8. */
    fun turned(orientation: Int): Picture {
        if (orientation !in 2..8) return this
        val swapped = orientation > 4
        val out = Picture(if (swapped) height else width, if (swapped) width else height, ByteArray(rgb.size))
        for (y in 0 until out.height) for (x in 0 until out.width) {
            var u = if (swapped) y else x
            var v = if (swapped) x else y
            if (orientation in setOf(2, 3, 7, 8)) u = width - 1 - u
            if (orientation in setOf(3, 4, 6, 7)) v = height - 1 - v
            rgb.copyInto(out.rgb, (y * out.width + x) * 3, (v * width + u) * 3, (v * width + u) * 3 + 3)
        }
        return out
    }

    /** With antialiasing as Pillow does it, without as OpenCV does: half-pixel centres. */
    fun resampled(newWidth: Int, newHeight: Int, bicubic: Boolean, antialias: Boolean): Picture {
        if (newWidth == width && newHeight == height) return this
        val rounded = antialias || bicubic // Pillow rounds between its two passes
        val columns = taps(width, newWidth, bicubic, antialias)
        val rows = taps(height, newHeight, bicubic, antialias)
        val middle = FloatArray(height * newWidth * 3)
        for (y in 0 until height) for (x in 0 until newWidth) for (c in 0..2) {
            var sum = 0f
            val tap = columns[x]
            for (k in tap.weights.indices) sum += tap.weights[k] * (rgb[(y * width + tap.first + k) * 3 + c].toInt() and 255)
            middle[(y * newWidth + x) * 3 + c] = if (rounded) toByte(sum) else sum
        }
        val stride = newWidth * 3
        val out = ByteArray(newHeight * stride)
        for (y in 0 until newHeight) for (i in 0 until stride) {
            var sum = 0f
            for (k in rows[y].weights.indices) sum += rows[y].weights[k] * middle[(rows[y].first + k) * stride + i]
            out[y * stride + i] = toByte(sum).toInt().toByte()
        }
        return Picture(newWidth, newHeight, out)
    }

    /** On a canvas, with its left top corner at a place that may lie outside. */
    fun placed(canvasWidth: Int, canvasHeight: Int, left: Int, top: Int, fill: Int): Picture {
        val out = ByteArray(canvasWidth * canvasHeight * 3) { fill.toByte() }
        val from = max(0, left)
        val to = min(canvasWidth, left + width)
        for (y in max(0, top) until min(canvasHeight, top + height)) {
            val row = (y - top) * width
            if (to > from) rgb.copyInto(out, (y * canvasWidth + from) * 3, (row + from - left) * 3, (row + to - left) * 3)
        }
        return Picture(canvasWidth, canvasHeight, out)
    }
}

/** One pixel of the result along one axis: which pixels it is made of. */
private class Tap(val first: Int, val weights: FloatArray)

private fun weight(distance: Double, bicubic: Boolean): Double {
    val x = abs(distance)
    if (!bicubic) return max(0.0, 1 - x)
    val a = -0.5
    return if (x < 1) ((a + 2) * x - (a + 3)) * x * x + 1 else if (x < 2) (((x - 5) * x + 8) * x - 4) * a else 0.0
}

private fun taps(old: Int, new: Int, bicubic: Boolean, antialias: Boolean): List<Tap> {
    val scale = old.toDouble() / new
    if (!antialias && !bicubic) return List(new) { i ->
        val at = ((i + 0.5) * scale - 0.5).coerceIn(0.0, old - 1.0)
        val low = at.toInt()
        val part = (at - low).toFloat()
        if (low + 1 < old) Tap(low, floatArrayOf(1 - part, part)) else Tap(low, floatArrayOf(1f))
    }
    val widened = max(scale, 1.0)
    val support = (if (bicubic) 2 else 1) * widened
    return List(new) { i ->
        val centre = (i + 0.5) * scale
        val first = max(0, (centre - support + 0.5).toInt())
        val last = min(old, (centre + support + 0.5).toInt())
        val weights = DoubleArray(last - first) { weight((it + first - centre + 0.5) / widened, bicubic) }
        val sum = weights.sum()
        Tap(first, FloatArray(weights.size) { (weights[it] / sum).toFloat() })
    }
}

private fun toByte(value: Float): Float = round(value).coerceIn(0f, 255f)
