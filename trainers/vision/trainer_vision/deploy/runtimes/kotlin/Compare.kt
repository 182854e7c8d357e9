// Answers as JSON, and the comparison of two of them.
package modelwrapper

import kotlin.math.abs
import org.json.JSONArray
import org.json.JSONObject

fun toJson(answer: Answer): JSONObject {
    val all = JSONObject().put("width", answer.width).put("height", answer.height)
    answer.probabilities?.let { return all.put("probabilities", JSONArray(it.map(Float::toDouble))) }
    return all.put("objects", JSONArray(answer.objects.map { objectOf(it, answer) }))
}

private fun objectOf(found: Detection, answer: Answer): JSONObject = JSONObject()
    .put("class_index", found.classIndex).put("class_id", found.classId ?: JSONObject.NULL).put("class_name", found.className)
    .put("confidence", found.confidence.toDouble()).put("bbox", JSONArray(found.box.map(Float::toDouble)))
    .put("keypoints", if (found.keypoints.isEmpty()) JSONObject.NULL else JSONArray(found.keypoints.map { JSONArray(listOf(it.x.toDouble(), it.y.toDouble(), it.confidence.toDouble())) }))
    .put("mask", found.mask?.let { JSONObject().put("size", JSONArray(listOf(answer.height, answer.width))).put("counts", JSONArray(runs(it, answer.width, answer.height))) } ?: JSONObject.NULL)

/** COCO's uncompressed runs: column by column, beginning with zeros. */
private fun runs(mask: Mask, width: Int, height: Int): List<Int> {
    val counts = mutableListOf<Int>()
    var inside = false
    var length = 0
    for (x in 0 until width) for (y in 0 until height) {
        val value = x - mask.left in 0 until mask.width && y - mask.top in 0 until mask.height && mask.inside[(y - mask.top) * mask.width + x - mask.left]
        if (value != inside) {
            counts += length
            length = 0
            inside = value
        }
        length++
    }
    return counts + length
}

private fun fromRuns(mask: JSONObject): BooleanArray {
    val size = mask.getJSONArray("size")
    val pixels = BooleanArray(size.getInt(0) * size.getInt(1))
    var at = 0
    mask.getJSONArray("counts").doubles().forEachIndexed { i, count ->
        if (count < 0 || at + count > pixels.size) throw WrapperException("a mask's runs are longer than its image")
        if (i % 2 == 1) pixels.fill(true, at, at + count.toInt())
        at += count.toInt()
    }
    return pixels
}

/** Differences beyond the tolerance that the expected answer names. */
fun compare(expected: JSONObject, found: JSONObject): List<String> {
    val said = expected.optJSONObject("tolerance") ?: JSONObject()
    val bound = { key: String, otherwise: Double -> said.optDouble(key, otherwise) }
    expected.optJSONArray("probabilities")?.let { want ->
        val worst = worst(want.doubles(), (found.optJSONArray("probabilities") ?: JSONArray()).doubles())
        return if (worst <= bound("probability", 0.001)) emptyList() else listOf("a probability differs by $worst, more than ${bound("probability", 0.001)}")
    }
    val wanted = expected.getJSONArray("objects").objects()
    val left = (found.optJSONArray("objects") ?: JSONArray()).objects().toMutableList()
    val wrong = mutableListOf<String>()
    if (wanted.size != left.size) wrong += "${wanted.size} objects expected, ${left.size} found"
    wanted.forEachIndexed { i, want ->
        val got = left.filter { it.getInt("class_index") == want.getInt("class_index") }.maxByOrNull { iou(box(want), box(it)) }
        if (got == null) wrong += "object $i: none of its class found" else {
            left.remove(got)
            wrong += compareObject(want, got, bound).map { "object $i: $it" }
        }
    }
    return wrong
}

private fun compareObject(want: JSONObject, got: JSONObject, bound: (String, Double) -> Double): List<String> {
    val wrong = mutableListOf<String>()
    fun limit(value: Double, most: Double, what: String) { if (!(value <= most)) wrong += "$what differs by $value, more than $most" }
    limit(worst(want.getJSONArray("bbox").doubles(), got.getJSONArray("bbox").doubles()), bound("pixels", 0.5), "the box")
    limit(abs(want.getDouble("confidence") - got.getDouble("confidence")), bound("score", 0.01), "the confidence")
    want.optJSONArray("keypoints")?.let { points ->
        val others = got.optJSONArray("keypoints") ?: JSONArray()
        for (i in 0 until points.length()) limit(if (i < others.length()) worst(points.getJSONArray(i).doubles().copyOf(2), others.getJSONArray(i).doubles().copyOf(2)) else Double.POSITIVE_INFINITY, bound("pixels", 0.5), "a keypoint")
    }
    want.optJSONObject("mask")?.let { mask ->
        val shared = got.optJSONObject("mask")?.let { maskIou(fromRuns(mask), fromRuns(it)) } ?: 0.0
        if (!(shared >= bound("mask_iou", 0.95))) wrong += "the masks share $shared, less than ${bound("mask_iou", 0.95)}"
    }
    return wrong
}

private fun box(found: JSONObject) = found.getJSONArray("bbox").doubles().map { it.toFloat() }.toFloatArray()

private fun worst(a: DoubleArray, b: DoubleArray): Double = if (a.size != b.size) Double.POSITIVE_INFINITY else a.indices.maxOfOrNull { abs(a[it] - b[it]) } ?: 0.0

private fun maskIou(a: BooleanArray, b: BooleanArray): Double {
    if (a.size != b.size) return 0.0
    val any = a.indices.count { a[it] || b[it] }
    return if (any == 0) 1.0 else a.indices.count { a[it] && b[it] }.toDouble() / any
}
