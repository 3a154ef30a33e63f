#include <algorithm>

#include <fmt/core.h>

#include "auto_label_image_grounding/image/image_headers.h"

namespace alig {
namespace {

constexpr std::uint64_t kEntrySize = 12;

enum Tag : std::uint16_t {
  kNewSubfileType = 254,
  kImageWidth = 256,
  kImageLength = 257,
  kBitsPerSample = 258,
  kPhotometric = 262,
  kStripOffsets = 273,
  kStripByteCounts = 279,
  kTileOffsets = 324,
  kTileByteCounts = 325,
  kSampleFormat = 339,
};

std::uint64_t size_of_type(std::uint16_t type) {
  switch (type) {
    case 1:  // BYTE
      return 1;
    case 3:  // SHORT
      return 2;
    case 4:  // LONG
      return 4;
    default:
      return 0;
  }
}

// Every strip or tile must lie inside the file.
bool blocks_inside(ByteSource& source, const TiffDirectory& directory, Tag offsets, Tag counts) {
  const auto* offset_entry = directory.find(offsets);
  const auto* count_entry = directory.find(counts);
  if (offset_entry == nullptr || count_entry == nullptr) return true;  // nothing to check
  // The lists themselves lie inside the file, or value() fails: the loop is bounded by its size.
  for (std::uint32_t i = 0; i < std::min(offset_entry->count, count_entry->count); ++i) {
    const auto offset = directory.value(source, *offset_entry, i);
    const auto count = directory.value(source, *count_entry, i);
    if (!offset || !count) return false;
    if (std::uint64_t{*offset} + *count > source.size()) return false;
  }
  return true;
}

bool has_plain_samples(ByteSource& source, const TiffDirectory& directory) {
  constexpr std::uint32_t kUnsignedSamples = 1;
  constexpr std::uint32_t kCmyk = 5;
  if (const auto* bits = directory.find(kBitsPerSample)) {
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(bits->count, 8); ++i) {
      if (directory.value(source, *bits, i).value_or(99) > 8) return false;
    }
  }
  const std::uint32_t photometric = directory.value(source, kPhotometric).value_or(0);
  const bool known_colours = photometric < kCmyk || photometric == 6;
  return known_colours &&
         directory.value(source, kSampleFormat).value_or(kUnsignedSamples) == kUnsignedSamples;
}

}  // namespace

std::uint16_t TiffDirectory::load16(const std::uint8_t* p) const {
  return little_endian_ ? load_le16(p) : load_be16(p);
}

std::uint32_t TiffDirectory::load32(const std::uint8_t* p) const {
  return little_endian_ ? load_le32(p) : load_be32(p);
}

std::optional<TiffDirectory> TiffDirectory::read(ByteSource& source, std::uint64_t begin,
                                                 std::uint64_t length) {
  constexpr std::uint16_t kMagic = 42;
  const auto header = source.read<8>(begin);
  if (!header || length < header->size()) return std::nullopt;
  TiffDirectory out;
  out.begin_ = begin;
  out.end_ = begin + std::min(length, source.size() - begin);
  out.little_endian_ = (*header)[0] == 'I';
  const std::uint8_t order = out.little_endian_ ? 'I' : 'M';
  if ((*header)[0] != order || (*header)[1] != order) return std::nullopt;
  if (out.load16(&(*header)[2]) != kMagic) return std::nullopt;

  std::uint64_t at = begin + out.load32(&(*header)[4]);
  const auto count = source.read<2>(at);
  if (!count || at + 2 > out.end_) return std::nullopt;
  at += 2;
  const std::uint16_t entry_count = out.load16(count->data());
  for (std::uint16_t i = 0; i < entry_count; ++i, at += kEntrySize) {
    const auto raw = source.read<kEntrySize>(at);
    if (!raw || at + kEntrySize > out.end_) return out;
    out.entries_.push_back(
        {out.load16(&(*raw)[0]), out.load16(&(*raw)[2]), out.load32(&(*raw)[4]), at + 8});
  }
  out.complete_ = true;
  const auto next = source.read<4>(at);
  out.has_next_ = next && at + 4 <= out.end_ && out.load32(next->data()) != 0;
  return out;
}

const TiffDirectory::Entry* TiffDirectory::find(std::uint16_t tag) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [tag](const Entry& entry) { return entry.tag == tag; });
  return found == entries_.end() ? nullptr : &*found;
}

std::optional<std::uint32_t> TiffDirectory::value(ByteSource& source, const Entry& entry,
                                                  std::uint32_t index) const {
  const std::uint64_t size = size_of_type(entry.type);
  if (size == 0 || index >= entry.count) return std::nullopt;
  std::uint64_t at = entry.position;
  if (size * entry.count > 4) {  // the field holds the place of the values instead
    const auto field = source.read<4>(at);
    if (!field) return std::nullopt;
    at = begin_ + load32(field->data());
  }
  at += size * index;
  if (at + size > end_) return std::nullopt;
  if (size == 1) {
    const auto raw = source.read<1>(at);
    return raw ? std::optional<std::uint32_t>((*raw)[0]) : std::nullopt;
  }
  if (size == 2) {
    const auto raw = source.read<2>(at);
    return raw ? std::optional<std::uint32_t>(load16(raw->data())) : std::nullopt;
  }
  const auto raw = source.read<4>(at);
  return raw ? std::optional<std::uint32_t>(load32(raw->data())) : std::nullopt;
}

std::optional<std::uint32_t> TiffDirectory::value(ByteSource& source, std::uint16_t tag) const {
  const Entry* entry = find(tag);
  return entry == nullptr ? std::nullopt : value(source, *entry);
}

std::optional<int> read_exif_orientation(ByteSource& source, std::uint64_t begin,
                                         std::uint64_t length) {
  constexpr std::uint64_t kPrefix = 6;
  const auto prefix = source.read<4>(begin);
  if (prefix && length > kPrefix && four_cc(prefix->data()) == "Exif") {
    begin += kPrefix;
    length -= kPrefix;
  }
  const auto directory = TiffDirectory::read(source, begin, length);
  if (!directory) return std::nullopt;
  const auto value = directory->value(source, kTiffOrientation);
  if (!value || *value < 1 || *value > 8) return std::nullopt;
  return static_cast<int>(*value);
}

HeaderResult read_tiff_header(ByteSource& source) {
  constexpr std::uint32_t kReducedImage = 1;
  const auto directory = TiffDirectory::read(source, 0, source.size());
  if (!directory || !directory->complete()) {
    return tl::unexpected<std::string>("it is cut off: its directory lies outside the file");
  }
  if ((directory->value(source, kNewSubfileType).value_or(0) & kReducedImage) != 0) {
    return tl::unexpected<std::string>(
        "its first image is only a preview, as in a camera's raw file");
  }
  HeaderFacts out;
  out.width = directory->value(source, kImageWidth).value_or(0);
  out.height = directory->value(source, kImageLength).value_or(0);
  const std::uint32_t orientation = directory->value(source, kTiffOrientation).value_or(1);
  out.orientation = orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
  out.plain = has_plain_samples(source, *directory) && !directory->has_next();
  if (!blocks_inside(source, *directory, kStripOffsets, kStripByteCounts) ||
      !blocks_inside(source, *directory, kTileOffsets, kTileByteCounts)) {
    return tl::unexpected<std::string>("it is cut off: pixel data lies outside the file");
  }
  return out;
}

}  // namespace alig
