// From the answers of an engine to objects or probabilities.
package modelwrapper

import kotlin.math.ceil
import kotlin.math.exp
import kotlin.math.ln
import kotlin.math.max
import kotlin.math.min

private const val CANDIDATES = 30000 // boxes that suppression looks at, best first

/** An answer of an engine, brought to float. */
class Tensor(val shape: LongArray, val values: FloatArray, val wholeNumbers: Boolean = false)

/** Which pixels of an image belong to an object: a rectangle of them. */
class Mask(val left: Int, val top: Int, val width: Int, val height: Int, val inside: BooleanArray)

data class Keypoint(val x: Float, val y: Float, val confidence: Float)

/** One object; box is x1, y1, x2, y2 in pixels of the upright image. */
class Detection(
    val box: FloatArray, val confidence: Float, val classIndex: Int, val classId: Any?, val className: String, val keypoints: List<Keypoint>, val mask: Mask?,
)

/** Objects, or of a classifier one probability a class. */
class Answer(val width: Int, val height: Int, val objects: List<Detection>, val probabilities: FloatArray?)

/** Where the image lies in the model's input: input = image * scale + offset. */
data class Placement(val scaleX: Double = 1.0, val scaleY: Double = 1.0, val offsetX: Double = 0.0, val offsetY: Double = 0.0)

/** A row of a detector; what rides along is a part of an array. */
private class Row(val box: FloatArray, val score: Float, val index: Int, val keypoints: Part? = null, val coefficients: Part? = null, val mask: Part? = null)

private class Part(val values: FloatArray, val at: Int) {
    operator fun get(i: Int) = values[at + i]
}

/** given: where the image lies in what went into the model; seen: in what the network itself sees, to which prototypes belong. */
class Decoder(private val metadata: Metadata) {
    private val rules = metadata.rules

    fun decode(tensors: List<Tensor>, given: Placement, seen: Placement, width: Int, height: Int): Answer {
        if (tensors.size != metadata.outputs.size) throw WrapperException("the model has ${tensors.size} outputs, metadata.json names ${metadata.outputs.size}")
        val found = metadata.outputs.map { it.kind }.zip(tensors).toMap()
        found["probabilities"]?.let { return Answer(width, height, emptyList(), it.values) }
        found["logits"]?.let { return Answer(width, height, emptyList(), it.values.copyOf().also { values -> activate(values, rules.activation) }) }
        val raw = found["raw"]
        val rows = when {
            rules.included -> ready(found)
            raw != null && rules.boxFormat == "xyxy_score_class" -> chosen(raw, "mask_prototypes" in found)
            raw != null -> rough(found + split(raw), true)
            else -> rough(found, rules.boxFormat == "cxcywh")
        }
        return Answer(width, height, rows.map { detection(it, found, given, seen, width, height) }, null)
    }

    /** Rows that the graph chose; those without a score are padding. */
    private fun ready(found: Map<String, Tensor>): List<Row> {
        val boxes = need(found, "boxes").values
        val scores = need(found, "scores").values
        val classes = need(found, "classes").values
        val used = found["count"]?.let { min(scores.size, it.values[0].toInt()) } ?: scores.size
        return (0 until used).filter { scores[it] > 0 }.map { i ->
            Row(corners(boxes, 4 * i, rules.boxFormat == "cxcywh"), scores[i], classes[i].toInt(), part(found["keypoints"], i, scores.size), part(found["mask_coefficients"], i, scores.size), part(found["masks"], i, scores.size))
        }
    }

    /** All that the network proposes; suppression is ours. */
    private fun rough(found: Map<String, Tensor>, centreSize: Boolean): List<Row> {
        val boxes = need(found, "boxes").values
        val scores = need(found, "scores").values
        val classes = metadata.classes.size
        val count = boxes.size / 4
        if (scores.size != count * classes) throw WrapperException("the model gives ${scores.size} scores for $count boxes and $classes classes")
        return suppress(List(count) { i ->
            val each = scores.copyOfRange(i * classes, (i + 1) * classes)
            activate(each, rules.activation)
            val best = each.indices.maxByOrNull { each[it] } ?: 0
            Row(corners(boxes, 4 * i, centreSize), each[best], best, part(found["keypoints"], i, count), part(found["mask_coefficients"], i, count))
        })
    }

    private fun suppress(rows: List<Row>): List<Row> {
        val kept = mutableListOf<Row>()
        for (row in rows.filter { it.score > rules.confidence }.sortedByDescending { it.score }.take(CANDIDATES)) {
            if (kept.size >= rules.most) break
            if (kept.none { it.index == row.index && iou(it.box, row.box) > rules.overlap }) kept += row
        }
        return kept
    }

    /** Rows of a head that needs no suppression: box, score, class, and what rides along. */
    private fun chosen(raw: Tensor, masks: Boolean): List<Row> {
        val fields = raw.shape.last().toInt()
        if (fields < 6) throw WrapperException("the model's raw output has fewer than six values a row")
        return (0 until raw.values.size / fields).map { it * fields }.filter { raw.values[it + 4] > rules.confidence }.take(rules.most).map { at ->
            val more = if (fields > 6) Part(raw.values, at + 6) else null
            Row(corners(raw.values, at, false), raw.values[at + 4], raw.values[at + 5].toInt(), more.takeIf { rules.keypointCount > 0 }, more.takeIf { rules.keypointCount == 0 && masks })
        }
    }

    /** A raw output has a column a candidate: centre, size, scores, and what rides along. */
    private fun split(raw: Tensor): Map<String, Tensor> {
        val fields = raw.shape[raw.shape.size - 2].toInt()
        val count = raw.shape.last().toInt()
        val scores = 4 + metadata.classes.size
        fun part(from: Int, to: Int) = Tensor(longArrayOf(count.toLong(), (to - from).toLong()), FloatArray(count * (to - from)) { raw.values[(from + it % (to - from)) * count + it / (to - from)] })
        if (fields < scores) throw WrapperException("the model's raw output has fewer rows than classes")
        val more = if (fields > scores) mapOf((if (rules.keypointCount > 0) "keypoints" else "mask_coefficients") to part(scores, fields)) else emptyMap()
        return mapOf("boxes" to part(0, 4), "scores" to part(4, scores)) + more
    }

    private fun detection(row: Row, found: Map<String, Tensor>, given: Placement, seen: Placement, width: Int, height: Int): Detection {
        fun x(v: Float) = (if (rules.inInputPixels) ((v - given.offsetX) / given.scaleX).toFloat() else v).coerceIn(0f, width.toFloat())
        fun y(v: Float) = (if (rules.inInputPixels) ((v - given.offsetY) / given.scaleY).toFloat() else v).coerceIn(0f, height.toFloat())
        val known = metadata.classes.getOrNull(row.index) ?: throw WrapperException("the model answers with class ${row.index}, metadata.json has ${metadata.classes.size}")
        val box = floatArrayOf(x(row.box[0]), y(row.box[1]), x(row.box[2]), y(row.box[3]))
        val points = row.keypoints?.let { p -> List(rules.keypointCount) { i -> (i * rules.keypointValues).let { Keypoint(x(p[it]), y(p[it + 1]), if (rules.keypointValues > 2) p[it + 2] else 1f) } } }
        val mask = row.mask?.let { wholeMask(it, need(found, "masks")) } ?: row.coefficients?.let { maskOf(it, need(found, "mask_prototypes"), box, seen) }
        return Detection(box, row.score, row.index, known.id, known.name, points.orEmpty(), mask)
    }

    /** A mask that the graph made, in pixels of the image. */
    private fun wholeMask(values: Part, masks: Tensor): Mask {
        val width = masks.shape.last().toInt()
        val height = masks.shape[masks.shape.size - 2].toInt()
        val threshold = if (masks.wholeNumbers) 0f else rules.maskThreshold
        return Mask(0, 0, width, height, BooleanArray(width * height) { values[it] > threshold })
    }

    /** The prototypes' sum, sampled bilinearly at the centre of every pixel inside the box. */
    private fun maskOf(coefficients: Part, prototypes: Tensor, box: FloatArray, seen: Placement): Mask {
        val h = prototypes.shape[prototypes.shape.size - 2].toInt()
        val w = prototypes.shape.last().toInt()
        val logits = FloatArray(h * w)
        for (m in 0 until prototypes.values.size / logits.size) for (i in logits.indices) logits[i] += coefficients[m] * prototypes.values[m * logits.size + i]
        val threshold = ln(rules.maskThreshold / (1 - rules.maskThreshold))
        val left = ceil(box[0]).toInt()
        val top = ceil(box[1]).toInt()
        val width = max(0, ceil(box[2]).toInt() - left)
        val height = max(0, ceil(box[3]).toInt() - top)
        val rows = List(height) { Between((seen.scaleY * (top + it + 0.5) + seen.offsetY) * h / metadata.resize.height - 0.5, h) }
        val columns = List(width) { Between((seen.scaleX * (left + it + 0.5) + seen.offsetX) * w / metadata.resize.width - 0.5, w) }
        return Mask(left, top, width, height, BooleanArray(width * height) {
            val row = rows[it / width]
            val column = columns[it % width]
            fun side(c: Int) = logits[row.low * w + c] * (1 - row.part) + logits[row.high * w + c] * row.part
            side(column.low) * (1 - column.part) + side(column.high) * column.part > threshold
        })
    }
}

/** Two neighbours of a place and how far it is from the first. */
private class Between(place: Double, size: Int) {
    private val at = place.coerceIn(0.0, size - 1.0)
    val low = at.toInt()
    val high = min(low + 1, size - 1)
    val part = (at - low).toFloat()
}

private fun need(found: Map<String, Tensor>, kind: String) = found[kind] ?: throw WrapperException("metadata.json names no output of the kind $kind")

private fun part(tensor: Tensor?, i: Int, count: Int): Part? = tensor?.let { Part(it.values, i * (it.values.size / count)) }

private fun corners(v: FloatArray, at: Int, centreSize: Boolean): FloatArray {
    if (!centreSize) return v.copyOfRange(at, at + 4)
    return floatArrayOf(v[at] - v[at + 2] / 2, v[at + 1] - v[at + 3] / 2, v[at] + v[at + 2] / 2, v[at + 1] + v[at + 3] / 2)
}

internal fun iou(a: FloatArray, b: FloatArray): Float {
    val shared = max(0f, min(a[2], b[2]) - max(a[0], b[0])) * max(0f, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / max((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared, 1e-9f)
}

private fun activate(values: FloatArray, activation: String) {
    if (activation == "sigmoid") for (i in values.indices) values[i] = 1 / (1 + exp(-values[i]))
    if (activation != "softmax") return
    val most = values.maxOrNull() ?: 0f
    for (i in values.indices) values[i] = exp(values[i] - most)
    val sum = values.sum()
    for (i in values.indices) values[i] /= sum
}
