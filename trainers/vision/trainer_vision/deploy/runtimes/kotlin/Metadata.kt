// metadata.json as the wrapper uses it.
package modelwrapper

import java.io.File
import org.json.JSONArray
import org.json.JSONObject

const val SCHEMA = 1
const val METADATA_BYTES = 16L shl 20
val TASKS = setOf("detect", "segment", "pose", "classify")

/** What is wrong with the package, the image or the machine, and what helps. */
class WrapperException(message: String, cause: Throwable? = null) : Exception(message, cause)

/** A class; its id is the platform's, null where there is none. */
data class ClassName(val id: Any?, val name: String)

data class Resize(
    val mode: String, val width: Int, val height: Int, val shortest: Int, val bicubic: Boolean, val antialias: Boolean, val pad: Int, val centred: Boolean,
)

data class Output(val name: String, val kind: String)

data class Rules(
    val included: Boolean, val inInputPixels: Boolean, val boxFormat: String, val confidence: Float, val overlap: Float, val most: Int,
    val activation: String, val maskThreshold: Float, val keypointCount: Int, val keypointValues: Int,
)

data class Metadata(
    val file: String, val format: String, val sha256: String, val classes: List<ClassName>,
    val inputName: String, val layout: String, val bytes: Boolean, val bgr: Boolean, val freeSize: Boolean,
    val preparedByGraph: Boolean, val resize: Resize, val scale: FloatArray, val mean: FloatArray, val std: FloatArray,
    val outputs: List<Output>, val rules: Rules,
)

fun readText(file: File): String {
    if (!file.isFile) throw WrapperException("there is no $file: unpack the whole package")
    if (file.length() > METADATA_BYTES) throw WrapperException("$file is larger than 16 MB")
    return file.readText()
}

fun parseMetadata(text: String, where: String): Metadata = try {
    parse(JSONObject(text))
} catch (error: RuntimeException) {
    throw WrapperException("$where is no metadata that this wrapper reads: ${error.message}", error)
}

private fun parse(all: JSONObject): Metadata {
    require(all.getInt("schema_version") == SCHEMA) { "its schema is ${all.get("schema_version")}, this wrapper reads $SCHEMA: take the wrapper of the same package" }
    val model = all.getJSONObject("model")
    val input = all.getJSONObject("input")
    val prepare = all.getJSONObject("preprocess")
    val layout = input.getString("layout")
    val shape = input.getJSONArray("shape")
    val height = when (layout) { "HWC" -> 0; "NHWC" -> 1; else -> 2 }
    require(model.getString("task") in TASKS) { "the model's task is ${model.getString("task")}; this wrapper answers ${TASKS.joinToString()}" }
    return Metadata(
        model.getString("file"), model.getString("format"), model.optString("sha256", ""),
        all.getJSONArray("classes").objects().sortedBy { it.getInt("index") }.map { ClassName(it.opt("id").takeUnless { id -> id == JSONObject.NULL }, it.getString("name")) },
        input.getString("name"), layout, input.getString("dtype") == "uint8", input.optString("color") == "BGR", shape.getInt(height) == -1 || shape.getInt(height + 1) == -1,
        prepare.getBoolean("included"), parseResize(prepare.getJSONObject("resize")), prepare.floats("scale"), prepare.floats("mean"), prepare.floats("std"),
        all.getJSONArray("outputs").objects().map { Output(it.getString("name"), it.getString("kind")) }, parseRules(all.getJSONObject("postprocess")),
    )
}

private fun parseResize(spec: JSONObject): Resize {
    val mode = spec.getString("mode")
    val width = spec.getInt("width")
    val height = spec.getInt("height")
    require(mode in setOf("letterbox", "stretch", "shortest_crop")) { "preprocess.resize.mode is $mode, which this wrapper does not know: take the wrapper of the same package" }
    require(width in 1..16384 && height in 1..16384) { "preprocess.resize has a size that no model has" }
    return Resize(
        mode, width, height, spec.optInt("resize_shortest", minOf(width, height)), spec.getString("kernel") == "bicubic", spec.optBoolean("antialias"),
        spec.optInt("pad_value", 0), spec.optString("pad_side") != "top_left",
    )
}

private fun parseRules(spec: JSONObject): Rules {
    val points = spec.optJSONArray("keypoint_shape")
    return Rules(
        spec.getBoolean("included"), spec.optString("box_space") == "input", spec.optString("box_format"), spec.optDouble("conf_threshold", 0.0).toFloat(),
        spec.optDouble("iou_threshold", 1.0).toFloat(), spec.optInt("max_detections", 300), spec.optString("activation"), spec.optDouble("mask_threshold", 0.5).toFloat(),
        points?.getInt(0) ?: 0, points?.getInt(1) ?: 0,
    )
}

internal fun JSONArray.objects(): List<JSONObject> = (0 until length()).map { getJSONObject(it) }
internal fun JSONArray.doubles(): DoubleArray = DoubleArray(length()) { getDouble(it) }
private fun JSONObject.floats(key: String): FloatArray = getJSONArray(key).doubles().map { it.toFloat() }.toFloatArray()
