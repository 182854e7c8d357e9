// Asks the model about images, or tests the package, on a desktop's JVM (Android reads images with Bitmap instead of ImageIO):
//     java -cp … modelwrapper.ExampleKt image.jpg [more.png …] [--model ../..] [--draw out.png]
//     java -cp … modelwrapper.ExampleKt --selftest [--model ../..]
// Prints one JSON object a line.
package modelwrapper

import java.awt.AlphaComposite
import java.awt.BasicStroke
import java.awt.Color
import java.awt.image.BufferedImage
import java.io.File
import javax.imageio.ImageIO
import kotlin.system.exitProcess

private const val IMAGE_BYTES = 512L shl 20
private val PALETTE = listOf(0xe6194b, 0x3cb44b, 0x4363d8, 0xf58231, 0x911eb4, 0x008080, 0x9a6324, 0x808000).map { Color(it) }

/** Upright RGB: EXIF orientation is applied, transparency dropped, 16 bits scaled to 8. */
fun readPicture(file: File): Picture {
    if (!file.isFile || file.length() > IMAGE_BYTES) throw WrapperException("the image $file cannot be read, or is larger than 512 MB")
    val image = ImageIO.read(file) ?: throw WrapperException("the image $file cannot be read: it is none, or of a kind that Java does not know (PNG, JPEG, BMP, GIF are)")
    return Picture(image.width, image.height, pixelsOf(image)).turned(exifOrientation(file.readBytes()))
}

/** Java converts grey by its own gamma when it is asked for RGB, so grey is read as it is stored. */
private fun pixelsOf(image: BufferedImage): ByteArray {
    val rgb = ByteArray(image.width * image.height * 3)
    val grey = image.raster.numBands <= 2 && image.colorModel !is java.awt.image.IndexColorModel
    val shift = if (image.raster.dataBuffer.dataType == java.awt.image.DataBuffer.TYPE_USHORT) 8 else 0
    for (y in 0 until image.height) for (x in 0 until image.width) {
        val at = (y * image.width + x) * 3
        val pixel = if (grey) 0 else image.getRGB(x, y)
        for (c in 0..2) rgb[at + c] = if (grey) (image.raster.getSample(x, y, 0) shr shift).toByte() else (pixel shr (16 - 8 * c)).toByte()
    }
    return rgb
}

fun drawn(picture: Picture, answer: Answer): BufferedImage {
    val image = BufferedImage(picture.width, picture.height, BufferedImage.TYPE_INT_RGB)
    for (i in 0 until picture.width * picture.height) {
        val value = (0..2).fold(0) { sum, c -> (sum shl 8) or (picture.rgb[i * 3 + c].toInt() and 255) }
        image.setRGB(i % picture.width, i / picture.width, value)
    }
    val pen = image.createGraphics()
    for (found in answer.objects) {
        pen.color = PALETTE[found.classIndex % PALETTE.size]
        pen.composite = AlphaComposite.getInstance(AlphaComposite.SRC_OVER, 0.4f)
        found.mask?.let { m -> m.inside.forEachIndexed { i, value -> if (value) pen.fillRect(m.left + i % m.width, m.top + i / m.width, 1, 1) } }
        pen.composite = AlphaComposite.SrcOver
        pen.stroke = BasicStroke(maxOf(1f, maxOf(picture.width, picture.height) / 400f))
        val (x1, y1, x2, y2) = found.box.map { it.toInt() }
        pen.drawRect(x1, y1, x2 - x1, y2 - y1)
        pen.drawString("${found.className} ${"%.2f".format(found.confidence)}", x1 + 2, y1 + 11)
        found.keypoints.forEach { pen.fillOval(it.x.toInt() - 2, it.y.toInt() - 2, 5, 5) }
    }
    pen.dispose()
    return image
}

fun engineOf(file: File): Engine = when (file.extension) {
    "onnx" -> OnnxRuntimeEngine(file)
    "tflite" -> InterpreterEngine(file)
    else -> throw WrapperException("this wrapper runs .onnx and .tflite, not $file: pass --model with the package's model.onnx")
}

private fun run(arguments: Array<String>): Int {
    fun value(flag: String) = arguments.indexOf(flag).takeIf { it >= 0 }?.let { arguments.getOrNull(it + 1) ?: throw WrapperException("$flag needs a value") }
    val path = File(value("--model") ?: "../..")
    val drawing = value("--draw")
    val images = arguments.filterIndexed { i, text -> !text.startsWith("--") && arguments.getOrNull(i - 1) !in setOf("--model", "--draw") }
    val folder = if (path.isDirectory) path else path.absoluteFile.parentFile
    val other = if (path.isDirectory) File(path, "model.onnx").takeIf { it.exists() && !File(path, "model.tflite").exists() } else path
    ModelWrapper(folder, other, ::engineOf).use { model ->
        if ("--selftest" in arguments) {
            val wrong = model.selftest(::readPicture)
            wrong.forEach { System.err.println("selftest: $it") }
            println("selftest ${if (wrong.isEmpty()) "passed" else "FAILED"} on the golden image")
            return if (wrong.isEmpty()) 0 else 1
        }
        if (images.isEmpty()) throw WrapperException("name an image, or --selftest")
        var failed = 0
        for (name in images) try {
            val picture = readPicture(File(name))
            val answer = model.predict(picture)
            println(toJson(answer).put("image", name))
            drawing?.let { ImageIO.write(drawn(picture, answer), "png", File(it)) }
        } catch (error: WrapperException) {
            System.err.println("error: ${error.message}")
            failed = 1
        }
        return failed
    }
}

fun main(arguments: Array<String>) {
    try {
        exitProcess(run(arguments))
    } catch (error: WrapperException) {
        System.err.println("error: ${error.message}")
        exitProcess(1)
    }
}
