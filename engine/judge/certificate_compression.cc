// SPDX-License-Identifier: Apache-2.0
#include "engine/judge/certificate_compression.h"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include "engine/limits.h"
#include "engine/wire/byte_reader.h"

namespace steppe {
namespace {

// RFC 8879 7.3.
constexpr uint32_t zlib = 1, brotli = 2, zstd = 3;

// How many bytes came out; 0 if it is broken or there are more than fit.
size_t decompress(uint32_t algorithm, std::span<const uint8_t> compressed, std::span<uint8_t> out) {
  switch (algorithm) {
    case zlib: {
      uLongf bytes = out.size();
      const bool good =
          uncompress(out.data(), &bytes, compressed.data(), compressed.size()) == Z_OK;
      return good ? bytes : 0;
    }
    case brotli: {
      size_t bytes = out.size();
      const bool good = BrotliDecoderDecompress(compressed.size(), compressed.data(), &bytes,
                                                out.data()) == BROTLI_DECODER_RESULT_SUCCESS;
      return good ? bytes : 0;
    }
    case zstd: {
      const size_t bytes =
          ZSTD_decompress(out.data(), out.size(), compressed.data(), compressed.size());
      return ZSTD_isError(bytes) != 0 ? 0 : bytes;
    }
    default:
      return 0;
  }
}

}  // namespace

std::optional<std::vector<uint8_t>> decompress_certificate(std::span<const uint8_t> body) {
  ByteReader reader{body};
  const auto algorithm = reader.number(2);
  const auto bytes = reader.number(3);
  const auto compressed = reader.vector(3);
  if (!compressed || reader.left() != 0 || *bytes == 0 || *bytes > limits::flight_bytes)
    return std::nullopt;
  std::vector<uint8_t> out(*bytes);
  if (decompress(*algorithm, *compressed, out) != out.size()) return std::nullopt;
  return out;
}

}  // namespace steppe
