// Runs an exported model as its metadata.json says, from pixels to boxes, masks, keypoints or probabilities.
//
//     val model = ModelWrapper(File("package"), InterpreterEngine(File("package/model.tflite")))
//     for (found in model.predict(Picture.fromArgb(width, height, pixels)).objects) println("${found.className} ${found.confidence}")
//
// Everything about the model stands in metadata.json; nothing here knows a framework.
package modelwrapper

import java.io.File
import java.security.MessageDigest
import kotlin.math.max
import kotlin.math.min
import kotlin.math.round
import org.json.JSONObject

/** The input of a model: bytes or floats, as metadata.json says. */
class Input(val shape: LongArray, val bytes: ByteArray?, val floats: FloatArray?)

/** What a runtime does for the wrapper. */
interface Engine : AutoCloseable {
    /** The answers come in the order of the names. */
    fun run(input: Input, inputName: String, outputNames: List<String>): List<Tensor>

    /** The metadata that a model file holds itself. */
    fun embeddedMetadata(): String? = null
}

class ModelWrapper(private val folder: File, modelFile: File?, start: (File) -> Engine) : AutoCloseable {
    val metadata: Metadata
    private val engine: Engine
    private val decoder: Decoder

    /** modelFile null is the model that metadata.json names; another one must be an ONNX file that describes itself. */
    init {
        val described = parseMetadata(readText(File(folder, "metadata.json")), "$folder/metadata.json")
        val own = File(folder, inside(described.file))
        val file = modelFile ?: own
        if (!file.exists()) throw WrapperException("there is no $file: unpack the whole package")
        engine = start(file)
        metadata = if (file.canonicalFile == own.canonicalFile) described else parseMetadata(engine.embeddedMetadata() ?: throw WrapperException("$file holds no metadata"), file.path)
        decoder = Decoder(metadata)
    }

    fun predict(picture: Picture): Answer {
        val plan = plan(metadata.resize, picture.width, picture.height)
        val untouched = metadata.preparedByGraph && metadata.freeSize
        val to = metadata.resize
        val ready = if (untouched) picture else picture.resampled(plan.width, plan.height, to.bicubic, to.antialias).placed(to.width, to.height, plan.left, plan.top, if (to.mode == "letterbox") to.pad else 0)
        val answers = engine.run(toInput(ready), metadata.inputName, metadata.outputs.map { it.name })
        return decoder.decode(answers, if (untouched) Placement() else plan.placement, plan.placement, picture.width, picture.height)
    }

    /** What differs from the trainer's answer for the golden image; nothing when all is well. */
    fun selftest(read: (File) -> Picture): List<String> {
        val expected = JSONObject(readText(File(folder, "golden/answer.json")))
        val found = toJson(predict(read(File(folder, "golden/" + inside(expected.getString("image"))))))
        return changed() + compare(expected, found)
    }

    private fun changed(): List<String> {
        val file = File(folder, inside(metadata.file))
        if (metadata.sha256.isEmpty() || !file.isFile) return emptyList()
        val sum = MessageDigest.getInstance("SHA-256").digest(file.readBytes()).joinToString("") { "%02x".format(it) }
        return if (sum == metadata.sha256) emptyList() else listOf("${file.name} is not the file that metadata.json describes: its sha256 differs")
    }

    override fun close() = engine.close()

    /** Pixels as the model takes them. */
    private fun toInput(picture: Picture): Input {
        val pixels = picture.width * picture.height
        val planes = metadata.layout == "NCHW"
        val h = picture.height.toLong()
        val w = picture.width.toLong()
        val shape = when (metadata.layout) { "HWC" -> longArrayOf(h, w, 3); "NHWC" -> longArrayOf(1, h, w, 3); else -> longArrayOf(1, 3, h, w) }
        val bytes = if (metadata.bytes) ByteArray(pixels * 3) else null
        val floats = if (metadata.bytes) null else FloatArray(pixels * 3)
        for (i in 0 until pixels) for (c in 0..2) {
            val from = if (metadata.bgr) 2 - c else c
            val to = if (planes) c * pixels + i else i * 3 + c
            val value = picture.rgb[i * 3 + from]
            bytes?.set(to, value)
            floats?.set(to, (value.toInt() and 255).let { if (metadata.preparedByGraph) it.toFloat() else (it * metadata.scale[from] - metadata.mean[from]) / metadata.std[from] })
        }
        return Input(shape, bytes, floats)
    }
}

/** Where an image goes in the input, and its size there. */
private class Plan(val placement: Placement, val width: Int, val height: Int, val left: Int, val top: Int)

private fun halfEven(value: Double) = round(value).toInt()

private fun plan(to: Resize, width: Int, height: Int): Plan {
    if (to.mode == "stretch") return Plan(Placement(to.width.toDouble() / width, to.height.toDouble() / height), to.width, to.height, 0, 0)
    if (to.mode == "letterbox") {
        val ratio = min(to.width.toDouble() / width, to.height.toDouble() / height)
        val w = max(1, halfEven(width * ratio))
        val h = max(1, halfEven(height * ratio))
        val left = if (to.centred) halfEven((to.width - w) / 2.0 - 0.1) else 0
        val top = if (to.centred) halfEven((to.height - h) / 2.0 - 0.1) else 0
        return Plan(Placement(w.toDouble() / width, h.toDouble() / height, left.toDouble(), top.toDouble()), w, h, left, top) // of the rounded sides
    }
    val tall = width <= height
    val w = if (tall) to.shortest else (to.shortest.toDouble() * width / height).toInt()
    val h = if (tall) (to.shortest.toDouble() * height / width).toInt() else to.shortest
    val left = -halfEven((w - to.width) / 2.0)
    val top = -halfEven((h - to.height) / 2.0)
    return Plan(Placement(w.toDouble() / width, h.toDouble() / height, left.toDouble(), top.toDouble()), w, h, left, top)
}

internal fun inside(name: String): String {
    if (File(name).isAbsolute || name.split('/', '\\').contains("..")) throw WrapperException("metadata.json names the file $name, which is outside the package")
    return name
}
