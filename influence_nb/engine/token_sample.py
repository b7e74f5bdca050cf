"""A small text of our own in 16 languages, and two pieces of code: what tokens cost is counted on it.

Everywhere the same sentences. It is enough to see that languages differ, and too little to measure by how much.
"""

from __future__ import annotations

SAMPLE: dict[str, str] = {
    "English": (
        "The market opens at eight. There is fresh bread on the tables, and a woman asks what a jar of honey costs. "
        "It is cold this morning, but the sun is shining."
    ),
    "Spanish": (
        "El mercado abre a las ocho. Hay pan fresco en las mesas, y una mujer pregunta cuánto cuesta un tarro de miel. "
        "Hace frío esta mañana, pero brilla el sol."
    ),
    "French": (
        "Le marché ouvre à huit heures. Il y a du pain frais sur les tables, et une femme demande combien coûte un pot "
        "de miel. Il fait froid ce matin, mais le soleil brille."
    ),
    "German": (
        "Der Markt öffnet um acht. Auf den Tischen liegt frisches Brot, und eine Frau fragt, was ein Glas Honig "
        "kostet. Es ist kalt heute Morgen, aber die Sonne scheint."
    ),
    "Italian": (
        "Il mercato apre alle otto. Sui tavoli c'è pane fresco, e una donna chiede quanto costa un vasetto di miele. "
        "Fa freddo stamattina, ma splende il sole."
    ),
    "Portuguese": (
        "O mercado abre às oito. Há pão fresco nas mesas, e uma mulher pergunta quanto custa um pote de mel. "
        "Está frio esta manhã, mas o sol brilha."
    ),
    "Polish": (
        "Targ otwiera się o ósmej. Na stołach leży świeży chleb, a kobieta pyta, ile kosztuje słoik miodu. "
        "Dziś rano jest zimno, ale świeci słońce."
    ),
    "Finnish": (
        "Tori avataan kahdeksalta. Pöydillä on tuoretta leipää, ja nainen kysyy, mitä purkki hunajaa maksaa. "
        "Tänä aamuna on kylmä, mutta aurinko paistaa."
    ),
    "Turkish": (
        "Pazar saat sekizde açılıyor. Masalarda taze ekmek var ve bir kadın bir kavanoz balın kaç para olduğunu "
        "soruyor. Bu sabah hava soğuk ama güneş parlıyor."
    ),
    "Vietnamese": (
        "Chợ mở cửa lúc tám giờ. Trên bàn có bánh mì mới, và một người phụ nữ hỏi một lọ mật ong giá bao nhiêu. "
        "Sáng nay trời lạnh, nhưng mặt trời đang chiếu sáng."
    ),
    "Russian": (
        "Рынок открывается в восемь. На столах лежит свежий хлеб, и женщина спрашивает, сколько стоит банка мёда. "
        "Сегодня утром холодно, но светит солнце."
    ),
    "Greek": (
        "Η αγορά ανοίγει στις οκτώ. Στα τραπέζια υπάρχει φρέσκο ψωμί, και μια γυναίκα ρωτάει πόσο κοστίζει ένα "
        "βάζο μέλι. Κάνει κρύο σήμερα το πρωί, αλλά ο ήλιος λάμπει."
    ),
    "Arabic": (
        "يفتح السوق في الثامنة. على الطاولات خبز طازج، وتسأل امرأة كم ثمن جرة العسل. "
        "الجو بارد هذا الصباح، لكن الشمس مشرقة."
    ),
    "Hindi": (
        "बाज़ार आठ बजे खुलता है। मेज़ों पर ताज़ी रोटी रखी है, और एक औरत पूछती है कि शहद का एक डिब्बा कितने का है। "
        "आज सुबह ठंड है, लेकिन धूप निकली हुई है।"
    ),
    "Chinese": "市场八点开门。桌子上有新鲜的面包，一位女士问一罐蜂蜜多少钱。今天早上很冷，但是阳光明媚。",
    "Japanese": (
        "市場は八時に開きます。机の上には焼きたてのパンがあり、女の人が蜂蜜一瓶の値段を尋ねています。"
        "今朝は寒いですが、日が照っています。"
    ),
    "Python": (
        "def open_market(hour, breads):\n"
        "    if hour < 8:\n"
        "        return None\n"
        "    prices = {bread.name: bread.price for bread in breads}\n"
        "    return sorted(prices.items(), key=lambda item: item[1])\n"
    ),
    "JSON": (
        '{\n  "market": {"opens": "08:00", "weather": "cold, sunny"},\n'
        '  "goods": [{"name": "bread", "price": 3.2}, {"name": "honey", "price": 7.5}]\n}\n'
    ),
}
"""{language: text}."""
