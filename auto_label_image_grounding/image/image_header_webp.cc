#include <algorithm>

#include "auto_label_image_grounding/image/image_headers.h"

namespace alig {
namespace {

constexpr std::uint64_t kRiffHeader = 12;   // "RIFF", size, "WEBP"
constexpr std::uint64_t kChunkHeader = 8;   // FourCC, size
constexpr std::uint64_t kFrameHeader = 16;  // of an ANMF chunk, before the frame's own chunks

struct Extent {
  std::uint64_t width = 0;
  std::uint64_t height = 0;
};

std::optional<Extent> read_vp8(ByteSource& source, std::uint64_t payload, std::uint64_t length) {
  const auto raw = source.read<10>(payload);
  if (!raw || length < raw->size()) return std::nullopt;
  const bool key_frame = ((*raw)[0] & 1) == 0;
  if (!key_frame || (*raw)[3] != 0x9D || (*raw)[4] != 0x01 || (*raw)[5] != 0x2A) {
    return std::nullopt;
  }
  constexpr std::uint16_t kSizeMask = 0x3FFF;  // the top two bits are a scaling hint
  return Extent{std::uint64_t{load_le16(&(*raw)[6])} & kSizeMask,
                std::uint64_t{load_le16(&(*raw)[8])} & kSizeMask};
}

std::optional<Extent> read_vp8l(ByteSource& source, std::uint64_t payload, std::uint64_t length) {
  const auto raw = source.read<5>(payload);
  if (!raw || length < raw->size() || (*raw)[0] != 0x2F) return std::nullopt;
  const std::uint32_t bits = load_le32(&(*raw)[1]);
  return Extent{(bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1};
}

class WebpReader {
 public:
  explicit WebpReader(ByteSource& source) : source_(source) {}

  HeaderResult read() {
    const auto riff = source_.read<kRiffHeader>(0);
    if (!riff) return damaged("it is cut off in its header");
    const std::uint64_t end = kChunkHeader + load_le32(&(*riff)[4]);
    // Some writers leave the last padding byte out.
    if (end > source_.size() + 1) return damaged("it is cut off: RIFF says it is longer");
    for (std::uint64_t at = kRiffHeader; at + kChunkHeader <= end;) {
      const auto header = source_.read<kChunkHeader>(at);
      if (!header) break;
      const std::uint64_t length = load_le32(&(*header)[4]);
      const std::uint64_t payload = at + kChunkHeader;
      if (payload + length > std::min(end, source_.size())) {
        return damaged("it is cut off inside a chunk");
      }
      if (!take(four_cc(header->data()), payload, length)) {
        return damaged("its image header is damaged");
      }
      at = payload + length + length % 2;
    }
    return result();
  }

 private:
  static tl::unexpected<std::string> damaged(const char* reason) {
    return tl::unexpected<std::string>(reason);
  }

  bool take(std::string_view type, std::uint64_t payload, std::uint64_t length) {
    if (type == "VP8X") return take_canvas(payload, length);
    if (type == "VP8 " && !image_) return take_image(read_vp8(source_, payload, length), true);
    if (type == "VP8L" && !image_) return take_image(read_vp8l(source_, payload, length), false);
    if (type == "ANMF") {
      ++frames_;
      return length >= kFrameHeader;
    }
    if (type == "EXIF") {
      facts_.orientation = read_exif_orientation(source_, payload, length).value_or(1);
    }
    return true;
  }

  bool take_canvas(std::uint64_t payload, std::uint64_t length) {
    const auto raw = source_.read<10>(payload);
    if (!raw || length < raw->size()) return false;
    animated_ = ((*raw)[0] & 0x02) != 0;
    canvas_ =
        Extent{std::uint64_t{load_le24(&(*raw)[4])} + 1, std::uint64_t{load_le24(&(*raw)[7])} + 1};
    return true;
  }

  bool take_image(const std::optional<Extent>& extent, bool lossy) {
    image_ = extent;
    facts_.lossy = lossy;
    return extent.has_value();
  }

  HeaderResult result() {
    if (animated_ ? frames_ == 0 || !canvas_ : !image_) return damaged("it has no image data");
    const Extent extent = animated_ ? *canvas_ : *image_;
    if (canvas_ && (canvas_->width != extent.width || canvas_->height != extent.height)) {
      return damaged("its two statements of the size differ");
    }
    facts_.width = extent.width;
    facts_.height = extent.height;
    facts_.plain = !animated_;
    return facts_;
  }

  ByteSource& source_;
  HeaderFacts facts_;
  std::optional<Extent> canvas_;
  std::optional<Extent> image_;
  bool animated_ = false;
  std::uint64_t frames_ = 0;
};

}  // namespace

HeaderResult read_webp_header(ByteSource& source) { return WebpReader(source).read(); }

}  // namespace alig
