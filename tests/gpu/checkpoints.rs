//! Networks on a device that are stopped in the middle and go on from their checkpoints: the same bits.

use crate::common::slices::{ENTRYWISE, SETTINGS, assert_the_same_in_slices, setting, setting_of};
use crate::common::softcuda::on_softcuda;

/// Both engines, every kind of state that they have, several networks in flight.
#[test]
fn slices_show_the_same_as_the_whole() {
    on_softcuda(module_path!(), "slices_show_the_same_as_the_whole", &[], || {
        for (i, text) in SETTINGS.iter().chain(&ENTRYWISE).enumerate() {
            let precision = ["f32", "f64"][i % 2];
            assert_the_same_in_slices(&setting_of(text, "cuda", precision, 48, "3"));
        }
    });
}

/// Two matrices in a block without their weights, and inner layers of another width.
#[test]
fn slices_of_two_layer_blocks_show_the_same() {
    on_softcuda(module_path!(), "slices_of_two_layer_blocks_show_the_same", &[], || {
        let two_layers = r#""model": { "block": "two-layer", "#;
        let without = SETTINGS[1].replace(r#""model": { "#, two_layers);
        let wider = SETTINGS[6].replace(r#""two-layer""#, r#""two-layer", "inner_width": "1.5n""#);
        let whole = SETTINGS[6].replace(r#""engine": "dense""#, r#""engine": "conditional""#);
        for text in [without, wider, whole] {
            assert_the_same_in_slices(&setting_of(&text, "cuda", "f64", 48, "3"));
        }
    });
}

/// The same of a network that takes memory as it needs it: it goes on with the room for what it has.
#[test]
fn slices_of_a_growing_network_show_the_same() {
    let little = &[("SOFTCUDA_MEMORY", "600000")];
    on_softcuda(module_path!(), "slices_of_a_growing_network_show_the_same", little, || {
        assert_the_same_in_slices(&setting(SETTINGS[1], "cuda", "f64"));
    });
}
