// Android's own interpreter: org.tensorflow:tensorflow-lite (LiteRT).
package modelwrapper

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import org.tensorflow.lite.DataType
import org.tensorflow.lite.Interpreter

class InterpreterEngine(file: File) : Engine {
    private val interpreter = Interpreter(file)

    override fun run(input: Input, inputName: String, outputNames: List<String>): List<Tensor> {
        val image = buffer((input.bytes?.size ?: 0) + 4 * (input.floats?.size ?: 0))
        if (input.bytes != null) image.put(input.bytes) else image.asFloatBuffer().put(input.floats)
        image.rewind()
        val buffers = (0 until interpreter.outputTensorCount).associateWith { buffer(interpreter.getOutputTensor(it).numBytes()) }
        interpreter.runForMultipleInputsOutputs(arrayOf<Any>(image), buffers.toMutableMap<Int, Any>())
        val names = buffers.keys.associateBy { interpreter.getOutputTensor(it).name() }
        return outputNames.mapIndexed { i, name -> (names[name] ?: i).let { toTensor(it, buffers.getValue(it)) } }
    }

    private fun buffer(size: Int): ByteBuffer = ByteBuffer.allocateDirect(size).order(ByteOrder.nativeOrder())

    private fun toTensor(index: Int, values: ByteBuffer): Tensor {
        val tensor = interpreter.getOutputTensor(index)
        val shape = tensor.shape().map { it.toLong() }.toLongArray()
        values.rewind()
        return when (tensor.dataType()) {
            DataType.FLOAT32 -> values.asFloatBuffer().let { b -> Tensor(shape, FloatArray(b.remaining()) { b.get(it) }) }
            DataType.INT64 -> values.asLongBuffer().let { b -> Tensor(shape, FloatArray(b.remaining()) { b.get(it).toFloat() }, true) }
            DataType.INT32 -> values.asIntBuffer().let { b -> Tensor(shape, FloatArray(b.remaining()) { b.get(it).toFloat() }, true) }
            DataType.UINT8 -> Tensor(shape, FloatArray(values.remaining()) { (values.get(it).toInt() and 255).toFloat() }, true)
            else -> throw WrapperException("an output of the model is of ${tensor.dataType()}, which this wrapper does not read")
        }
    }

    override fun close() = interpreter.close()
}
