package imagefile

import "image"

// videoRange is a lossy WebP picture in its true colours. Its luma runs from 16 to
// 235 (RFC 6386, section 9.2), and x/image/webp returns it as an image.YCbCr, which
// is converted as if it ran from 0 to 255: dull, with grey for black.
func videoRange(im image.Image) image.Image {
	switch im := im.(type) {
	case *image.YCbCr:
		return trueColors(im, nil, 0)
	case *image.NYCbCrA:
		return trueColors(&im.YCbCr, im.A, im.AStride)
	}
	return im // lossless
}

func trueColors(im *image.YCbCr, alpha []uint8, stride int) *image.NRGBA {
	size := im.Rect.Size()
	out := image.NewNRGBA(image.Rect(0, 0, size.X, size.Y))
	for y := range size.Y {
		for x := range size.X {
			luma := im.Y[im.YOffset(im.Rect.Min.X+x, im.Rect.Min.Y+y)]
			c := im.COffset(im.Rect.Min.X+x, im.Rect.Min.Y+y)
			pixel := out.Pix[out.PixOffset(x, y):][:4]
			pixel[0], pixel[1], pixel[2] = rgb(int(luma), int(im.Cb[c]), int(im.Cr[c]))
			pixel[3] = 255
			if alpha != nil {
				pixel[3] = alpha[y*stride+x]
			}
		}
	}
	return out
}

// rgb is libwebp's conversion (src/dsp/yuv.h), bit for bit.
func rgb(y, u, v int) (r, g, b uint8) {
	high := func(v, factor int) int { return v * factor >> 8 }
	clip := func(v int) uint8 { return uint8(min(max(v>>6, 0), 255)) }
	y = high(y, 19077)
	return clip(y + high(v, 26149) - 14234),
		clip(y - high(u, 6419) - high(v, 13320) + 8708),
		clip(y + high(u, 33050) - 17685)
}
