#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>
// After <cstdio>, which it forgets to include.
#include <jerror.h>
#include <jpeglib.h>

#include "unrect/base/error.hpp"
#include "unrect/sensing/internal/image_formats.hpp"

// libjpeg leaves by longjmp: what calls it holds nothing that has a destructor.
namespace unrect {
namespace {

// A progressive file may repeat its scans for ever; real ones have about ten.
constexpr int kMostScans = 200;

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {
    jpeg_.err = jpeg_std_error(&errors_);
    errors_.error_exit = fail;
    errors_.emit_message = warn;
    monitor_.progress_monitor = count_scans;
    jpeg_.client_data = this;
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { jpeg_destroy_decompress(&jpeg_); }

  bool read_header() {
    if (setjmp(escape_) != 0) return false;  // NOLINT(cert-err52-cpp): libjpeg's only way
    jpeg_create_decompress(&jpeg_);
    jpeg_.progress = &monitor_;
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }
  bool start() {
    if (setjmp(escape_) != 0) return false;  // NOLINT(cert-err52-cpp)
    jpeg_.out_color_space = JCS_GRAYSCALE;   // of colour: Y' of BT.601
    jpeg_.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&jpeg_);
    return true;
  }
  bool read_row(JSAMPROW row) {
    if (setjmp(escape_) != 0) return false;  // NOLINT(cert-err52-cpp)
    return jpeg_read_scanlines(&jpeg_, &row, 1) == 1;
  }
  bool finish() {
    if (setjmp(escape_) != 0) return false;  // NOLINT(cert-err52-cpp)
    jpeg_finish_decompress(&jpeg_);
    return true;
  }

  bool for_print() const { return jpeg_.jpeg_color_space == JCS_CMYK || jpeg_.jpeg_color_space == JCS_YCCK; }
  Index height() const { return jpeg_.image_height; }
  Index width() const { return jpeg_.image_width; }
  const char* message() const { return message_; }

 private:
  static void fail(j_common_ptr common) {
    auto* self = static_cast<Reader*>(common->client_data);
    common->err->format_message(common, self->message_);
    std::longjmp(self->escape_, 1);  // NOLINT(cert-err52-cpp)
  }
  /// libjpeg paints what is missing grey and goes on; that is not the image.
  static void warn(j_common_ptr common, int level) {
    if (level >= 0) return;
    const int code = common->err->msg_code;
    if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE) fail(common);
  }
  static void count_scans(j_common_ptr common) {
    if (reinterpret_cast<j_decompress_ptr>(common)->input_scan_number > kMostScans) {
      common->err->msg_code = JERR_BAD_PROGRESSION;
      fail(common);
    }
  }

  std::string_view bytes_;
  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr monitor_{};
  std::jmp_buf escape_{};
  char message_[JMSG_LENGTH_MAX] = "";
};

}  // namespace

Image parse_jpeg(std::string_view bytes, std::string_view name) {
  Reader reader(bytes);
  const auto require = [&](bool done) {
    UNRECT_REQUIRE(done, ErrorCode::kFormat, "{}: damaged JPEG: {}", name, reader.message());
  };
  require(reader.read_header());
  require_size(reader.height(), reader.width(), name);
  UNRECT_REQUIRE(!reader.for_print(), ErrorCode::kFormat, "{}: a CMYK JPEG; expected grey or RGB", name);
  require(reader.start());
  Image image(reader.height(), reader.width());
  VectorOf<JSAMPLE> row(image.cols());
  for (Index i = 0; i < image.rows(); ++i) {
    require(reader.read_row(row.data()));
    image.row(i) = row.cast<double>().transpose() / 255;
  }
  require(reader.finish());
  return image;
}

}  // namespace unrect
