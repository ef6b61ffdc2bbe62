//! Frames: what is written reads back, with its name and attributes, in the order it was written.

use crate::array;
use ndbytes::{Array, Checks, DecodeOptions, Format, Limits, Metadata, Order, frame, io, to_bytes};

pub(crate) use crate::samples::SPECS;

pub(crate) fn write(array: &Array, options: &frame::EncodeOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = frame::Encoder::new(&array.view(), options).unwrap();
    let (total, most) = (ndbytes::Encode::total(&encoder), ndbytes::Encode::most(&encoder));
    io::write(&mut encoder, &mut bytes, &mut io::unwatched).unwrap();
    assert!(bytes.len() as u64 <= most && total.is_none_or(|total| total == bytes.len() as u64));
    bytes
}

#[test]
fn every_class_of_dtype_reads_back() {
    for spec in SPECS {
        for order in [Order::C, Order::F] {
            let array = array(spec);
            let metadata = Metadata::new(Some("déjà".into()), Some("{\"unit\": [1, null]}".into()));
            let mut options = frame::EncodeOptions::default();
            (options.order, options.metadata) = (Some(order), metadata.clone());
            let bytes = write(&array, &options);
            let options = DecodeOptions { checks: Checks::Required, ..Default::default() };
            let read = io::read_array(
                &bytes[..],
                options,
                |_| Ok(ndbytes::Dest::Owned),
                &mut io::unwatched,
            );
            let read = read.unwrap_or_else(|error| panic!("{spec}: {error}"));
            assert_eq!((read.header.format, &read.metadata), (Format::Frame, &metadata));
            assert_eq!(read.header.len % 64, 0);
            let back = read.array.unwrap();
            assert_eq!((back.dtype(), back.shape()), (array.dtype(), array.shape()));
            assert_eq!(
                to_bytes(&back.view(), Order::C).unwrap(),
                to_bytes(&array.view(), Order::C).unwrap()
            );
            let axes = array.shape().iter().filter(|&&len| len > 1).count();
            let moved = order == Order::F && axes > 1 && array.nbytes() > 0;
            assert_eq!(read.header.fortran_order, moved, "{spec}");
        }
    }
    assert!(
        ndbytes::from_slice(&write(&array("<f8[3]"), &Default::default()), &Limits::untrusted())
            .is_ok()
    );
}
