// ONNX Runtime: com.microsoft.onnxruntime:onnxruntime-android, or :onnxruntime on a desktop.
package modelwrapper

import ai.onnxruntime.OnnxJavaType
import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import java.io.File
import java.nio.ByteBuffer
import java.nio.FloatBuffer

class OnnxRuntimeEngine(file: File) : Engine {
    private val environment = OrtEnvironment.getEnvironment()
    private val session = environment.createSession(file.path)

    override fun run(input: Input, inputName: String, outputNames: List<String>): List<Tensor> = tensor(input).use { image ->
        session.run(mapOf(inputName to image)).use { answers ->
            outputNames.map { name -> toTensor(answers.get(name).orElseThrow { WrapperException("the model has no output $name") } as OnnxTensor) }
        }
    }

    private fun tensor(input: Input): OnnxTensor =
        if (input.bytes != null) OnnxTensor.createTensor(environment, ByteBuffer.wrap(input.bytes), input.shape, OnnxJavaType.UINT8)
        else OnnxTensor.createTensor(environment, FloatBuffer.wrap(input.floats), input.shape)

    private fun toTensor(value: OnnxTensor): Tensor {
        val shape = value.info.shape
        return when (value.info.type) {
            OnnxJavaType.FLOAT -> value.floatBuffer.let { b -> Tensor(shape, FloatArray(b.remaining()) { b.get(it) }) }
            OnnxJavaType.INT64 -> value.longBuffer.let { b -> Tensor(shape, FloatArray(b.remaining()) { b.get(it).toFloat() }, true) }
            OnnxJavaType.INT32 -> value.intBuffer.let { b -> Tensor(shape, FloatArray(b.remaining()) { b.get(it).toFloat() }, true) }
            OnnxJavaType.UINT8 -> value.byteBuffer.let { b -> Tensor(shape, FloatArray(b.remaining()) { (b.get(it).toInt() and 255).toFloat() }, true) }
            else -> throw WrapperException("an output of the model is of ${value.info.type}, which this wrapper does not read")
        }
    }

    override fun embeddedMetadata(): String? = session.metadata.customMetadata["metadata"]

    override fun close() = session.close()
}
