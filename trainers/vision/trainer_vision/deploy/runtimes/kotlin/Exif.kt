// The EXIF orientation of JPEG and PNG files, whose bytes are a stranger's.
package modelwrapper

/** Reads numbers of either byte order; beyond the end there are zeros. */
private class Reader(val bytes: ByteArray, val little: Boolean) {
    fun number(at: Long, size: Int): Long {
        if (at < 0 || at + size > bytes.size) return 0
        return (0 until size).fold(0L) { sum, i -> sum or ((bytes[(at + i).toInt()].toLong() and 255) shl (8 * (if (little) i else size - 1 - i))) }
    }
}

/** From 1 to 8; 1 where there is none. */
fun exifOrientation(bytes: ByteArray): Int {
    val read = Reader(bytes, false)
    return when {
        read.number(0, 4) == 0x89504E47L -> png(read)
        read.number(0, 2) == 0xFFD8L -> jpeg(read)
        else -> 1
    }
}

private fun png(read: Reader): Int {
    var at = 8L
    while (at + 12 <= read.bytes.size) {
        if (read.number(at + 4, 4) == 0x65584966L) return tiff(read.bytes, at + 8)
        at += 12 + read.number(at, 4)
    }
    return 1
}

private fun jpeg(read: Reader): Int {
    var at = 2L
    while (at + 10 <= read.bytes.size && read.number(at, 1) == 0xFFL && read.number(at + 1, 1) != 0xDAL) {
        if (read.number(at + 1, 1) == 0xE1L && read.number(at + 4, 4) == 0x45786966L) return tiff(read.bytes, at + 10)
        at += 2 + maxOf(2L, read.number(at + 2, 2))
    }
    return 1
}

private fun tiff(bytes: ByteArray, start: Long): Int {
    if (start + 8 > bytes.size) return 1
    val read = Reader(bytes, bytes[start.toInt()] == 'I'.code.toByte())
    val directory = start + read.number(start + 4, 4)
    for (i in 0 until read.number(directory, 2)) {
        val entry = directory + 2 + 12 * i
        if (entry + 12 > bytes.size) return 1
        if (read.number(entry, 2) == 0x112L) return read.number(entry + 8, 2).toInt().takeIf { it in 1..8 } ?: 1
    }
    return 1
}
